import type { ActivityRow, CallerView, TroubledCall } from '../../lib/backend/backend'
import { text } from '../../lib/text/en'
import { secondsTime } from '../../lib/time'
import { callerAlias, callerName } from '../keys/states'

type Named = Pick<CallerView, 'program' | 'user_agent'>

/** What is known of one program since a moment, the surest thing only. */
export interface CallLine {
  state: 'used' | 'called' | 'refused' | 'before'
  who: string
  alias: string
  what: string
  /** Names the refused call. */
  request?: string
}

/** Tells one caller from another. */
export const nameOf = ({ program, user_agent }: Named) => `${program}\n${user_agent}`

/** The latest of each, out of what is ordered so. */
function latest<It>(all: It[], name: (it: It) => string): It[] {
  const first = new Map<string, It>()
  for (const it of all) if (!first.has(name(it))) first.set(name(it), it)
  return [...first.values()]
}

const said = ({ detail }: ActivityRow, name: string) => {
  const value = detail[name]
  return typeof value === 'string' ? value : ''
}

/**
 * A tool on record was surely called by an agent. The counters know any call with the key, by whatever route: they
 * tell of an agent that has only connected, but also of an application that goes on with its work, so a program that
 * had called before is told apart.
 */
export function callLines(
  { used, callers, refused }: { used: ActivityRow[]; callers: CallerView[]; refused: TroubledCall[] },
  before: string[],
): CallLine[] {
  const words = text.tools.agents
  const tools = latest(used, (row) => said(row, 'program'))
  const programs = tools.map((row) => said(row, 'program')).filter(Boolean)
  const counted = callers.filter(({ program }) => !programs.includes(program))
  const known = counted.map(nameOf)
  const turnedAway = latest(refused, nameOf).filter(
    (call) => !programs.includes(call.program) && !known.includes(nameOf(call)),
  )

  const called = counted.map((caller): CallLine => {
    const at = secondsTime(caller.last_at)
    const wasThere = before.includes(nameOf(caller))
    return {
      state: wasThere ? 'before' : 'called',
      who: callerName(caller),
      alias: callerAlias(caller),
      what: wasThere ? words.goesOn(at) : words.called(at),
    }
  })
  return [
    ...tools.map((row): CallLine => {
      const [tool, at] = [said(row, 'tool'), secondsTime(row.at)]
      return {
        state: 'used',
        who: said(row, 'program') || text.activity.someProgram,
        alias: '',
        what: row.outcome === 'done' ? words.used(tool, at) : words.tried(tool, at),
      }
    }),
    ...called.filter(({ state }) => state === 'called'),
    ...turnedAway.map((call): CallLine => ({
      state: 'refused',
      who: callerName(call),
      alias: callerAlias(call),
      what: words.refused(secondsTime(call.at), call.detail),
      request: call.request_id,
    })),
    ...called.filter(({ state }) => state === 'before'),
  ]
}
