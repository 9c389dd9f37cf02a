import {
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleHelp,
  CircleMinus,
  CircleX,
  Clock,
  LoaderCircle,
  TriangleAlert,
} from '@lucide/svelte'
import type { Health, IntegrationView, StepState } from '../../lib/backend/backend'

type Shape = { icon: typeof Clock; tone: 'good' | 'warn' | 'bad' | 'still' }

/** How each health looks. */
export const healthShapes: Record<Health, Shape> = {
  not_set_up: { icon: CircleDashed, tone: 'still' },
  secret_missing: { icon: CircleAlert, tone: 'bad' },
  secret_expired: { icon: CircleX, tone: 'bad' },
  check_failed: { icon: CircleX, tone: 'bad' },
  secret_expiring: { icon: Clock, tone: 'warn' },
  passed: { icon: CircleCheck, tone: 'good' },
  unchecked: { icon: CircleHelp, tone: 'still' },
}

/** How each step of a preflight looks. */
export const stepShapes: Record<StepState['state'], Shape> = {
  running: { icon: LoaderCircle, tone: 'still' },
  passed: { icon: CircleCheck, tone: 'good' },
  warned: { icon: TriangleAlert, tone: 'warn' },
  skipped: { icon: CircleMinus, tone: 'still' },
  failed: { icon: CircleX, tone: 'bad' },
}

/** Whether nobody can sign in through it. */
export const isBroken = (health: Health) =>
  ['secret_missing', 'secret_expired', 'check_failed'].includes(health)

/** What is broken comes first, then the default; what was never set up last. */
export function rank({ health, is_default }: IntegrationView): number {
  if (isBroken(health)) return 0
  if (is_default) return 1
  if (health === 'secret_expiring') return 2
  return health === 'not_set_up' ? 4 : 3
}
