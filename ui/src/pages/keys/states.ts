import { Ban, CircleCheck, CircleSlash, Clock, History } from '@lucide/svelte'
import type { CallerView, KeyState, KeyView } from '../../lib/backend/backend'
import { text } from '../../lib/text/en'

/** State is a word and a shape; the colour only helps. */
export const shapes: Record<KeyState, { icon: typeof Clock; tone: 'good' | 'warn' | 'still' }> = {
  active: { icon: CircleCheck, tone: 'good' },
  expiring: { icon: Clock, tone: 'warn' },
  expired: { icon: CircleSlash, tone: 'still' },
  replaced: { icon: History, tone: 'still' },
  revoked: { icon: Ban, tone: 'still' },
}

export const isLive = (key: KeyView) => key.state === 'active' || key.state === 'expiring'

type Named = Pick<CallerView, 'program' | 'user_agent'>

/** The app's own first call with a new key; told by the name that the app gives itself there. */
export const isOwnCall = (caller: Named) => caller.user_agent.startsWith('ATTHENE-Settings')

/** How much of its time is left, in percent. */
export function lifePercent(key: KeyView, now: number): number {
  if (key.expires_at === null) return 100
  const left = (key.expires_at - now) / (key.expires_at - key.created_at)
  return Math.round(Math.min(1, Math.max(0, left)) * 100)
}

/** How the public part of a key is shown: enough to recognise it. */
export const shortText = (key: KeyView) => `atk_${key.id}_…${key.last_four}`

/** The shortest name that tells a caller apart: its program, else what it says of itself. */
export const callerName = (caller: Named) => caller.program || caller.user_agent || text.keys.unknownProgram

/** What a caller says of itself, where its program is named already. */
export const callerAlias = (caller: Named) => (caller.program ? caller.user_agent : '')
