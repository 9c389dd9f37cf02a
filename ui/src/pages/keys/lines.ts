import type { UsageReport } from '../../lib/backend/backend'
import type { Line } from '../../lib/parts/UsageChart.svelte'
import { text } from '../../lib/text/en'
import { callerAlias, callerName } from './states'

const words = text.usage
/** More would not be told apart. */
const MOST_PROGRAMS = 4

/** What the chart is split by. */
export type Split = keyof typeof words.splits

/** The lines of the chart, the lowest first. */
export function linesOf(report: UsageReport, split: Split): Line[] {
  if (split === 'outcome') {
    const line = (outcome: 'answered' | 'failed' | 'refused'): Line => ({
      name: words[outcome],
      said: words[outcome].toLowerCase(),
      calls: report[outcome],
      colour: `--chart-${outcome}`,
    })
    return [line('answered'), line('failed'), line('refused')]
  }
  const lines = report.programs.slice(0, MOST_PROGRAMS).map(({ caller, steps }, at): Line => {
    const alike = report.programs.filter((other) => callerName(other.caller) === callerName(caller))
    const name =
      alike.length > 1 ? [callerName(caller), callerAlias(caller)].join(' ').trim() : callerName(caller)
    return { name, said: name, calls: steps, colour: `--chart-program-${at + 1}` }
  })
  // Counted from all calls: the report names only the programs that called most.
  const others = report.steps.map((_, step) => {
    const all = (report.answered[step] ?? 0) + (report.failed[step] ?? 0) + (report.refused[step] ?? 0)
    return lines.reduce((left, { calls }) => left - (calls[step] ?? 0), all)
  })
  if (others.some((calls) => calls > 0)) {
    lines.push({
      name: words.others,
      said: words.others.toLowerCase(),
      calls: others,
      colour: '--chart-others',
    })
  }
  return lines
}
