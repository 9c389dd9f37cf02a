import { render, screen, waitFor, within } from '@testing-library/svelte'
import userEvent from '@testing-library/user-event'
import { describe, expect, test, vi } from 'vitest'
import type { ActivityFilter, ActivityRow, CallerView, TroubledCall } from '../../lib/backend/backend'
import { aKey, anActivityRow, anError, fakeBackend } from '../../lib/backend/fake'
import { AppState } from '../../lib/state.svelte'
import ToolsPage from './ToolsPage.svelte'
import { agentEntries } from './agent-entries'

async function open(fake = fakeBackend(), keys = [aKey()]) {
  fake.state.keys = keys
  const app = new AppState(fake.backend)
  await app.start()
  render(ToolsPage, { app, onintegrations: () => {} })
  const user = userEvent.setup()
  await user.click(screen.getByRole('button', { name: 'Connect an agent…' }))
  const dialog = within(await screen.findByRole('dialog', { name: 'Connect an agent' }))
  return { ...fake, app, user, dialog }
}

const line = (state: string) => document.querySelector(`[data-agent-call="${state}"]`)

const aToolCall = (over: Partial<ActivityRow> = {}) =>
  anActivityRow({
    actor: 'gateway',
    kind: 'tool_called',
    subject: 'outlook-abcdefgh',
    detail: { program: 'claude', tool: 'mail_search' },
    ...over,
  })

const aCaller = (over: Partial<CallerView> = {}): CallerView => ({
  program: 'claude',
  user_agent: 'claude-code/2.1',
  requests: 3,
  last_at: Date.now() + 1000,
  ...over,
})

describe('connecting an agent', () => {
  test('has an entry for each agent with the address of the gateway, and copies it', async () => {
    const copyText = vi.fn(async () => {})
    const { user, dialog } = await open(fakeBackend({ copyText }))
    const names = ['Claude Code', 'VS Code', 'Cursor', 'Codex', 'Claude Desktop', 'Python']
    expect(dialog.getAllByRole('tab').map((tab) => tab.textContent)).toEqual(names)
    for (const name of names) {
      await user.click(dialog.getByRole('tab', { name }))
      const panel = within(dialog.getByRole('tabpanel', { name }))
      expect(panel.getByText(/http:\/\/127\.0\.0\.1:8765\/mcp/)).toBeVisible()
      await user.click(panel.getByRole('button', { name: `Copy the ${name} snippet` }))
    }
    expect(copyText.mock.calls).toEqual(agentEntries('http://127.0.0.1:8765').map(({ code }) => [code]))
  })

  test('writes what the programs can read', () => {
    const code = (id: string) => agentEntries('http://127.0.0.1:8765').find((entry) => entry.id === id)?.code
    const read = (id: string) => JSON.parse(code(id) ?? '') as unknown
    const url = 'http://127.0.0.1:8765/mcp'
    expect(read('vscode')).toEqual({
      inputs: [expect.objectContaining({ type: 'promptString', id: 'atthene-api-key', password: true })],
      servers: {
        atthene: { type: 'http', url, headers: { Authorization: 'Bearer ${input:atthene-api-key}' } },
      },
    })
    expect(read('cursor')).toEqual({
      mcpServers: { atthene: { url, headers: { Authorization: 'Bearer ${env:ATTHENE_API_KEY}' } } },
    })
    expect(read('claude-desktop')).toEqual({
      mcpServers: {
        atthene: {
          command: 'atthene',
          args: ['mcp', '--url', url],
          env: { ATTHENE_API_KEY: 'YOUR_API_KEY' },
        },
      },
    })
  })

  test('gives Claude Code the name of the variable, which the shell leaves as it is', () => {
    const [first] = agentEntries('http://127.0.0.1:8765')
    expect(first?.code).toBe(
      "claude mcp add --transport http atthene http://127.0.0.1:8765/mcp --header 'Authorization: Bearer ${ATTHENE_API_KEY}'",
    )
  })

  test('names a program whose tool is on record, also one that was not done', async () => {
    let rows: ActivityRow[] = []
    const activityPage = vi.fn(async (filter: ActivityFilter) => {
      expect(filter.kinds).toEqual(['tool_called'])
      expect(filter.since).toBeGreaterThan(Date.now() - 60_000)
      return { rows, next: null }
    })
    const { dialog, tell } = await open(fakeBackend({ activityPage }))
    expect(dialog.getByText('Waiting for its first call…')).toBeVisible()
    rows = [
      aToolCall({ id: 3, outcome: 'failed', detail: { program: 'codex', tool: 'mail_send' } }),
      aToolCall({ id: 2 }),
    ]
    tell('activity')
    expect(await dialog.findByText(/^used mail_search at/)).toHaveTextContent('claude used mail_search')
    expect(line('used')?.closest('.notice')).toHaveClass('good')
    expect(dialog.getByText('codex').closest('p')).toHaveTextContent(/reached mail_send at .* not done/)
    expect(dialog.queryByText('Waiting for its first call…')).toBeNull()
  })

  test('tells a program that has only connected from one that goes on as before', async () => {
    const goesOn = aCaller({ program: 'billing', user_agent: '', last_at: Date.now() - 1000 })
    const own = aCaller({ program: 'atthene', user_agent: 'ATTHENE-Settings/1' })
    let callers = [goesOn]
    const { dialog, tell } = await open(fakeBackend({ recentCallers: async () => callers }))
    expect(dialog.queryByText('billing')).toBeNull()
    callers = [own, { ...goesOn, last_at: Date.now() + 1000 }]
    tell('usage')
    expect((await dialog.findByText('billing')).closest('p')).toHaveTextContent(/as it did before/)
    expect(line('before')?.closest('.notice')).toHaveClass('info')
    expect(dialog.getByText('Waiting for its first call…')).toBeVisible()
    callers = [aCaller(), ...callers]
    tell('usage')
    // Counters are followed once a second.
    const called = () => expect(line('called')).toHaveTextContent(/claude claude-code\/2\.1 called at/)
    await waitFor(called, { timeout: 3000 })
    expect(dialog.queryByText('Waiting for its first call…')).toBeNull()
    expect(dialog.queryByText('atthene')).toBeNull()
  })

  test('says why an agent was turned away, and explains it', async () => {
    const refusal: TroubledCall = {
      request_id: '4aa71c86-1',
      at: Date.now() + 1000,
      method: 'POST',
      path: '/mcp',
      code: 'missing_key',
      detail: 'No key was sent.',
      key_id: null,
      program: 'codex',
      user_agent: '',
    }
    const troubledCalls = async () => [
      { ...refusal, program: 'curl', path: '/api/amas/connections' },
      { ...refusal, program: 'node', method: 'GET' },
      refusal,
    ]
    const { app, user, dialog } = await open(fakeBackend({ troubledCalls }))
    expect((await dialog.findByText('codex')).closest('p')).toHaveTextContent(
      /was refused .* No key was sent/,
    )
    expect(document.querySelectorAll('[data-agent-call]')).toHaveLength(1)
    expect(dialog.getByText('Waiting for its first call…')).toBeVisible()
    await user.click(dialog.getByRole('button', { name: 'Explain the refusal of codex' }))
    expect(app.explaining).toBe('4aa71c86-1')
  })

  test('says why it can not be known, in place', async () => {
    const activityPage = () => Promise.reject(anError('internal'))
    const { dialog } = await open(fakeBackend({ activityPage }))
    expect(await dialog.findByRole('alert')).toHaveTextContent('It failed: internal.')
  })

  test('creates a key where none is live, and waits for no call until then', async () => {
    const { app, user, dialog, state, tell } = await open(fakeBackend(), [aKey({ state: 'revoked' })])
    expect(dialog.getByText('No key is live, so every agent is refused.')).toBeVisible()
    expect(dialog.getByText('No call can come yet.')).toBeVisible()
    await user.click(dialog.getByRole('button', { name: 'Create new key' }))
    expect(app.creating).toEqual({ days: null })
    state.keys = [aKey()]
    tell('keys')
    expect(await dialog.findByText('Waiting for its first call…')).toBeVisible()
  })

  test('says that the gateway is stopped, and resumes it', async () => {
    const resumeEverything = vi.fn(async () => {})
    const gatewayState = async () => ({ state: 'refusing' as const, url: 'http://127.0.0.1:8765', cut: 0 })
    const { user, dialog } = await open(fakeBackend({ gatewayState, resumeEverything }))
    expect(dialog.getByText('Everything is stopped, so every agent is refused.')).toBeVisible()
    await user.click(dialog.getByRole('button', { name: 'Resume' }))
    expect(resumeEverything).toHaveBeenCalled()
  })

  test('leads to the preferences where the gateway is off, or takes a free port', async () => {
    const off = await open(fakeBackend({ gatewayState: async () => ({ state: 'off' }) }))
    await off.user.click(off.dialog.getByRole('button', { name: 'Preferences' }))
    expect(off.app.view.page).toBe('preferences')
    expect(screen.queryByRole('dialog')).toBeNull()
    document.body.replaceChildren()

    const taken = { state: 'port_taken' as const, port: 8765, by: null, free_port: 8766 }
    const saveSettings = vi.fn(async () => fakeBackend().state.settings)
    const { user, dialog } = await open(fakeBackend({ gatewayState: async () => taken, saveSettings }))
    expect(dialog.getByText(/Another program has port 8765/)).toBeVisible()
    await user.click(dialog.getByRole('button', { name: 'Use port 8766 instead' }))
    expect(saveSettings).toHaveBeenCalledWith(expect.objectContaining({ gateway_port: 8766 }), {
      kind: 'keep',
    })
  })
})
