import { describe, expect, test } from 'vitest'
import { snippets } from '../pages/keys/snippets'
import { DAY, ago, dateInput, endOfDay } from './time'

describe('relative times', () => {
  const now = Date.UTC(2026, 0, 15, 12)
  test.each([
    [-5_000, 'just now'],
    [5_000, 'in a moment'],
    [-3 * 60_000, '3 minutes ago'],
    [-2 * 3_600_000, '2 hours ago'],
    [30 * DAY, 'in 30 days'],
    [30 * DAY - 5_000, 'in 30 days'],
    [-DAY, 'yesterday'],
  ])('%i ms is %s', (ms, words) => expect(ago(now + ms, now)).toBe(words))
})

test('a chosen day lasts to its end', () => {
  const at = endOfDay('2027-01-31') ?? 0
  expect(dateInput(at)).toBe('2027-01-31')
  expect(dateInput(at + 1)).toBe('2027-02-01')
  expect(endOfDay('')).toBeNull()
})

test('snippets hold the real address and never a key', () => {
  const all = snippets('http://127.0.0.1:9000', 'atthene-status')
  expect(all.map((snippet) => snippet.language)).toEqual([
    'curl',
    'Python',
    'JavaScript',
    'PowerShell',
    '.env',
  ])
  for (const { id, code } of all) {
    if (id !== 'env') expect(code).toContain('http://127.0.0.1:9000/api/amas/conversations/execute')
    expect(code).not.toMatch(/atk_/)
  }
})
