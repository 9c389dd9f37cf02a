import type { UsageReport } from '../../lib/backend/backend'
import type { Line } from '../../lib/parts/UsageChart.svelte'
import { text } from '../../lib/text/en'
import { callerAlias, callerName } from './states'

const words = text.usage
/** More would not be told apart. */
const MOST_LINES = 4

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
  const lines = named(report, split)
    .slice(0, MOST_LINES)
    .map(({ name, steps }, at): Line => ({
      name,
      said: name,
      calls: steps,
      colour: `--chart-part-${at + 1}`,
    }))
  // Counted from all calls: the report names only those with most of them.
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

type Named = { name: string; steps: number[] }

/** The programs or the hosts, each told apart from those that are called alike. */
function named(report: UsageReport, split: 'program' | 'host'): Named[] {
  const all =
    split === 'host'
      ? report.hosts.map(({ name, id, steps }) => ({ name, alias: id, steps }))
      : report.programs.map(({ caller, steps }) => ({
          name: callerName(caller),
          alias: callerAlias(caller),
          steps,
        }))
  return all.map(({ name, alias, steps }) => ({
    name: all.filter((other) => other.name === name).length > 1 ? `${name} ${alias}`.trim() : name,
    steps,
  }))
}
