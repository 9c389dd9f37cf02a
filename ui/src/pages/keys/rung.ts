import type { Rung } from '../../lib/backend/backend'
import { text } from '../../lib/text/en'
import { dayOf } from '../../lib/time'

/** What was found at a rung, with its day as the desktop writes days. */
export const found = ({ found, at }: Rung): string =>
  found && at !== null ? text.explain.on(found, dayOf(at)) : (found ?? '')
