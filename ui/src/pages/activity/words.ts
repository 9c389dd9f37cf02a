import type { ActivityRow, Kind } from '../../lib/backend/backend'
import { text } from '../../lib/text/en'

/** What belongs together in the filter. */
export const groups: Record<keyof typeof text.activity.groups, Kind[]> = {
  all: [],
  keys: ['key_created', 'key_revoked', 'key_expired', 'key_ended_by_update', 'refusal_burst'],
  integrations: [
    'integration_added',
    'integration_changed',
    'integration_removed',
    'default_changed',
    'preflight',
    'secret_missing',
    'secret_swept',
  ],
  connections: ['sign_in', 'sign_in_refused', 'refresh', 'disconnected', 'token_handed', 'graph_call'],
  settings: [
    'settings_changed',
    'policy_applied',
    'record_cut',
    'stopped',
    'resumed',
    'backed_up',
    'restored',
    'was_reset',
  ],
}

/** What was done, in words; a word of a newer version stays as it is. */
export const what = (row: ActivityRow): string =>
  (text.activity.kinds as Record<string, string>)[row.kind] ?? row.kind

export const who = (row: ActivityRow): string =>
  (text.activity.actors as Record<string, string>)[row.actor] ?? row.actor

/** What it was done to, as people call it. */
export function subject(row: ActivityRow): string {
  const named = ['name', 'account', 'program'].map((field) => row.detail[field])
  const name = named.find((value) => typeof value === 'string' && value !== '')
  return typeof name === 'string' ? name : row.subject
}

/** A detail as one line. */
export function asText(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(asText).join(', ')
  return value === null ? '–' : JSON.stringify(value)
}
