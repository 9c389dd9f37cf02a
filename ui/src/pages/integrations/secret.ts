import type { SecretRequest } from '../../lib/backend/backend'

export type SecretFate = SecretRequest['kind']

/** What is asked for: an empty field replaces nothing. */
export function secretRequest(fate: SecretFate, typed: string): SecretRequest {
  if (fate === 'remove') return { kind: 'remove' }
  return fate === 'replace' && typed ? { kind: 'replace', secret: typed } : { kind: 'keep' }
}
