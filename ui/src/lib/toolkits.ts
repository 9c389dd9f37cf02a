import type { Toolkit } from './backend/backend'

/** What accounts are connected for, always in this order. */
export const toolkits: readonly Toolkit[] = ['outlook', 'teams']
