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

/** How the public part of a key is shown: enough to recognise it. */
export const shortText = (key: KeyView) => `atk_${key.id}_…${key.last_four}`

/** The shortest name that tells a caller apart: its program, else what it says of itself. */
export const callerName = (caller: CallerView) =>
  caller.program || caller.user_agent || text.keys.unknownProgram

/** What a caller says of itself, where its program is named already. */
export const callerAlias = (caller: CallerView) => (caller.program ? caller.user_agent : '')
