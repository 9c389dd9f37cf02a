import { describe, expect, it } from 'vitest'
import type { ActivityRow } from '../../lib/backend/backend'
import { outcomeOf, sentence } from './words'

const act = (outcome: string): ActivityRow => ({
  id: 1,
  at: 1_795_000_000_000,
  actor: 'gateway',
  kind: 'act_performed',
  subject: 'aaaaaaaaaa',
  outcome,
  detail: { account: 'ada@contoso.example', tool: 'mail_send', act: 'send', program: 'codex', asked: true },
})

describe('what there is one of', () => {
  it('is not named twice', () => {
    const row = { ...act('done'), kind: 'settings_changed', subject: 'settings', detail: { os_user: 'ada' } }
    const { who, does, whom } = sentence(row, () => undefined)
    expect([who, does, whom]).toEqual(['ada', 'changed settings', ''])
    const joined = {
      ...row,
      kind: 'host_joined',
      subject: 'aaaa',
      detail: { os_user: 'ada', name: 'edge-1' },
    }
    expect(sentence(joined, () => undefined).whom).toBe('edge-1')
  })
})

describe('an act that is done once', () => {
  it('is not told as done where nobody knows how it ended', () => {
    expect([outcomeOf(act('done')), sentence(act('done'), () => undefined).does]).toEqual([
      'Done',
      'acted once as',
    ])
    expect([outcomeOf(act('unknown')), sentence(act('unknown'), () => undefined).does]).toEqual([
      'Not known',
      'began to act as',
    ])
  })
})
