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
import type { Health, StepState } from '../../lib/backend/backend'

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
