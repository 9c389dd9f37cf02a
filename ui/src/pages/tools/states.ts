import { CircleAlert, CircleCheck, CircleX, type Clock } from '@lucide/svelte'
import type { ConnectionState } from '../../lib/backend/backend'

/** How each state looks. */
export const stateShapes: Record<
  ConnectionState,
  { icon: typeof Clock; tone: 'good' | 'warn' | 'bad' | 'still' }
> = {
  connected: { icon: CircleCheck, tone: 'good' },
  needs_sign_in: { icon: CircleAlert, tone: 'warn' },
  failing: { icon: CircleX, tone: 'bad' },
}
