import { Ban, CircleCheck, CircleSlash, Clock, History } from '@lucide/svelte'
import type { KeyState, KeyView } from '../../lib/backend/backend'

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
