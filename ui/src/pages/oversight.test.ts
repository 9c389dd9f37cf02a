import { render, screen, waitFor, within } from '@testing-library/svelte'
import userEvent from '@testing-library/user-event'
import { describe, expect, test, vi } from 'vitest'
import App from '../App.svelte'
import type { Attention, Settings } from '../lib/backend/backend'
import { aKey, aReportOfUsage, anActivityRow, anError, fakeBackend } from '../lib/backend/fake'
import { AppState } from '../lib/state.svelte'

// A canvas is beyond jsdom; the tests in the real window see the chart.
vi.mock('uplot', () => ({
  default: class {
    static paths = {}
    setData() {}
    setSize() {}
    redraw() {}
    destroy() {}
  },
}))

function open(fake = fakeBackend()) {
  const app = new AppState(fake.backend)
  void app.start()
  render(App, { app })
  return { ...fake, user: userEvent.setup() }
}

const needsKey: Attention = {
  id: 'key expires A',
  weight: 'warning',
  harm: 'key_ends',
  title: 'The key “CI” expires in 3 days',
  text: 'Create a new one.',
  fix: { kind: 'create_key' },
}

describe('what needs attention', () => {
  test('is told at the foot of the rail with what fixes it, and can be put off', async () => {
    const fake = fakeBackend()
    fake.state.attention = [needsKey, { ...needsKey, id: 'other', title: 'Another thing' }]
    const { user } = open(fake)
    expect(screen.queryByRole('alert')).toBeNull()
    await user.click(await screen.findByRole('button', { name: '2 things need you' }))
    const panel = within(screen.getByLabelText('What needs you'))
    expect(panel.getByText('The key “CI” expires in 3 days')).toBeInTheDocument()
    await user.click(panel.getByLabelText('Put off until tomorrow: Another thing'))
    expect(screen.getByText('1 thing needs you')).toBeInTheDocument()
    expect(panel.getByText('One thing is put off.', { exact: false })).toBeInTheDocument()
    await user.click(panel.getByText('Create new key'))
    expect(await screen.findByRole('dialog', { name: 'New API key' })).toBeInTheDocument()
  })

  test('stands on every page, and can not be put off, while everything is refused', async () => {
    const fake = fakeBackend()
    fake.state.attention = [
      {
        id: 'stopped 1',
        weight: 'urgent',
        harm: 'everything_refused',
        title: 'Everything is stopped',
        text: 'Applications are refused until you resume.',
        fix: { kind: 'resume' },
      },
    ]
    const resumeEverything = vi.spyOn(fake.backend, 'resumeEverything')
    const { user } = open(fake)
    for (const page of [1, 2, 3, 4, 5]) {
      await user.keyboard(`{Control>}${page}{/Control}`)
      expect(await screen.findByRole('alert')).toHaveTextContent('Everything is stopped.')
    }
    await user.click(screen.getByRole('button', { name: '1 thing needs you' }))
    expect(screen.queryByRole('button', { name: /Put off/ })).toBeNull()
    await user.keyboard('{Escape}')
    await user.click(within(screen.getByRole('alert')).getByRole('button', { name: 'Resume' }))
    expect(resumeEverything).toHaveBeenCalled()
  })
})

describe('usage', () => {
  test('reads step by step with the keyboard, and as a table', async () => {
    const answered = Array.from({ length: 24 }, (_, hour) => (hour === 23 ? 7 : 0))
    const total = { answered: 7, failed: 0, refused: 0, bytes_in: 0, bytes_out: 0 }
    const { user } = open(fakeBackend({ usageReport: async () => aReportOfUsage({ answered, total }) }))
    await user.click(await screen.findByRole('tab', { name: 'Usage' }))
    // Its code is loaded when it is opened.
    const chart = await screen.findByRole('slider', {}, { timeout: 10_000 })
    chart.focus()
    await user.keyboard('{End}')
    expect(chart).toHaveAttribute('aria-valuetext', expect.stringContaining('7 answered'))
    await user.keyboard('{ArrowLeft}')
    expect(chart).toHaveAttribute('aria-valuetext', expect.stringContaining('0 answered'))
    expect(screen.getByRole('table', { hidden: true })).toHaveTextContent('7')
  })

  test('names hosts only where a profile is shared, and splits the chart by them', async () => {
    const total = { answered: 7, failed: 0, refused: 0, bytes_in: 0, bytes_out: 0 }
    const steps = Array.from({ length: 24 }, (_, hour) => (hour === 23 ? 7 : 0))
    const host = { id: 'abcd', name: 'edge-1', totals: total, last_at: Date.now(), steps }
    const all = { ...total, answered: 9, refused: 1 }
    const shared = aReportOfUsage({ answered: steps, total: all, hosts: [host] })
    const { user } = open(fakeBackend({ usageReport: async () => shared }))
    await user.click(await screen.findByRole('tab', { name: 'Usage' }))
    const table = await screen.findByRole('table', { name: 'By host' }, { timeout: 10_000 })
    expect(within(table).getByRole('row', { name: /^edge-1 7 0 0/ })).toBeVisible()
    expect(within(table).getByRole('row', { name: /^Others 2 0 1/ })).toBeVisible()
    await user.click(screen.getByRole('radio', { name: 'By host' }))
    const chart = screen.getByRole('slider')
    chart.focus()
    await user.keyboard('{End}')
    expect(chart).toHaveAttribute('aria-valuetext', expect.stringContaining('7 edge-1'))
  })

  test('says why nothing could be explained', async () => {
    const { user } = open()
    await user.click(await screen.findByRole('tab', { name: 'Usage' }))
    await user.click(await screen.findByRole('button', { name: 'Explain a request id…' }))
    await user.type(await screen.findByLabelText('Request id'), 'abc-1')
    await user.click(screen.getByRole('button', { name: 'Explain' }))
    expect(await screen.findByRole('alert')).toHaveTextContent('It failed: unknown_request.')
  })
})

describe('the record', () => {
  test('keeps a row in the page only while it is in sight, however many there are', async () => {
    const rows = Array.from({ length: 5000 }, (_, at) => anActivityRow({ id: 5000 - at }))
    const { user } = open(fakeBackend({ activityPage: async () => ({ rows, next: null }) }))
    await screen.findByText('No API key yet')
    await user.keyboard('{Control>}4{/Control}')
    await screen.findAllByText(/created the key/)
    expect(screen.getAllByText(/created the key/).length).toBeLessThan(60)
  })

  test('asks with the filter that was chosen', async () => {
    const activityPage = vi.fn(async () => ({ rows: [], next: null }))
    const { user } = open(fakeBackend({ activityPage }))
    await screen.findByText('No API key yet')
    await user.keyboard('{Control>}4{/Control}')
    expect(await screen.findByText('Nothing here.')).toBeVisible()
    await user.keyboard('/')
    await user.keyboard('AADSTS50011')
    await waitFor(() =>
      expect(activityPage).toHaveBeenLastCalledWith(
        expect.objectContaining({ search: 'AADSTS50011', kinds: [] }),
        null,
      ),
    )
  })

  test('says where the chain breaks', async () => {
    const { user } = open(
      fakeBackend({ verifyActivity: async () => ({ state: 'broken', id: 42, at: 0, intact: 41 }) }),
    )
    await screen.findByText('No API key yet')
    await user.keyboard('{Control>}4{/Control}')
    await user.click(await screen.findByRole('button', { name: 'Verify' }))
    expect(await screen.findByRole('alert')).toHaveTextContent('The chain breaks at row 42')
  })
})

describe('preferences', () => {
  test('what the administrator has set can not be changed', async () => {
    open(fakeBackend({ fixedSettings: async () => ['gateway_port'] }))
    await screen.findByText('No API key yet')
    await userEvent.keyboard('{Control>}5{/Control}')
    expect(await screen.findByLabelText('Port')).toBeDisabled()
    expect(screen.getByText('Set by your administrator.')).toBeVisible()
  })

  test('a test of the runtime says what answered, or why not', async () => {
    const { user } = open(fakeBackend({ testRuntime: () => Promise.reject(anError('runtime_unreachable')) }))
    await screen.findByText('No API key yet')
    await user.keyboard('{Control>}5{/Control}')
    await user.type(await screen.findByLabelText('Base URL'), 'http://127.0.0.1:9')
    await user.click(screen.getByRole('button', { name: 'Test' }))
    expect(await screen.findByRole('alert')).toHaveTextContent('It failed: runtime_unreachable.')
  })

  test('what was changed elsewhere meanwhile is not set back', async () => {
    const saveSettings = vi.fn(async (settings: Settings) => ({ ...settings, runtime_has_credential: false }))
    const fake = fakeBackend({ saveSettings })
    const { user } = open(fake)
    await screen.findByText('No API key yet')
    await user.keyboard('{Control>}5{/Control}')
    const body = await screen.findByLabelText('Largest request body (MiB)')
    await user.clear(body)
    await user.type(body, '32')
    fake.state.settings = { ...fake.state.settings, gateway_port: 9100, largest_body_mib: 64 }
    fake.tell('settings')
    await waitFor(() => expect(screen.getByLabelText('Port')).toHaveValue('9100'))
    expect(body).toHaveValue('32')
    await user.click(screen.getByRole('button', { name: 'Save' }))
    const saved = expect.objectContaining({ gateway_port: 9100, largest_body_mib: 32 })
    expect(saveSettings).toHaveBeenCalledWith(saved, { kind: 'keep' })
  })

  test('a switch and a choice act at once, and a port says what came of it', async () => {
    const fake = fakeBackend()
    const saveSettings = vi.spyOn(fake.backend, 'saveSettings')
    const { user, tell } = open(fake)
    await user.keyboard('{Control>}5{/Control}')
    await user.click(await screen.findByLabelText('Desktop notifications'))
    expect(saveSettings).toHaveBeenCalledWith(expect.objectContaining({ notifications: false }), {
      kind: 'keep',
    })
    const port = screen.getByLabelText('Port')
    await user.clear(port)
    await user.type(port, '18595{Enter}')
    fake.backend.gatewayState = async () => ({
      state: 'port_taken',
      port: 18595,
      by: 'node',
      free_port: 18596,
    })
    tell('gateway')
    expect(await screen.findByText(/Saved, but port 18595 is taken by node/)).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Use port 18596 instead' }))
    expect(saveSettings).toHaveBeenLastCalledWith(expect.objectContaining({ gateway_port: 18596 }), {
      kind: 'keep',
    })
  })

  test('another runtime does not get the credential of the one before, and the page says so', async () => {
    const fake = fakeBackend()
    const runtime_url = 'https://agents.example.com'
    fake.state.settings = { ...fake.state.settings, runtime_url, runtime_has_credential: true }
    const { user } = open(fake)
    await screen.findByText('No API key yet')
    await user.keyboard('{Control>}5{/Control}')
    expect(await screen.findByText('A credential lies in your keychain.', { exact: false })).toBeVisible()
    await user.type(screen.getByLabelText('Base URL'), '/v2')
    expect(screen.getByText('removed when you save', { exact: false })).toBeVisible()
    expect(screen.getByLabelText('Credential')).toBeVisible()
  })

  test('a backup is put back once it was asked, and what is left to do has buttons', async () => {
    const again = { what: 'Sign ada@contoso.com in again (outlook).', fix: { kind: 'show_tools' } as const }
    const restore = vi.fn(async () => ({
      taken: ['Connection of ada@contoso.com (outlook)'],
      left: [{ what: 'Setting gateway_port: “9999”', why: 'it protects the key' }],
      to_do: [again, again],
    }))
    const { user } = open(fakeBackend({ chooseRestore: async () => '/backups/copy.backup', restore }))
    await screen.findByText('No API key yet')
    await user.keyboard('{Control>}5{/Control}')
    await user.click(await screen.findByRole('tab', { name: 'Data' }))
    await user.click(screen.getByRole('button', { name: 'Restore…' }))
    const asked = within(await screen.findByRole('alertdialog'))
    expect(asked.getByText('/backups/copy.backup')).toBeVisible()
    expect(restore).not.toHaveBeenCalled()
    await user.click(asked.getByRole('button', { name: 'Restore' }))
    const report = within(await screen.findByRole('dialog', { name: 'Backup restored' }))
    expect(report.getAllByText(again.what)).toHaveLength(2)
    expect(report.getByText(/gateway_port/)).toBeVisible()
  })

  test('stopping everything asks first, and the safe choice has the focus', async () => {
    const stopEverything = vi.fn(async () => {})
    const { user } = open(fakeBackend({ stopEverything }))
    await screen.findByText('No API key yet')
    await user.keyboard('{Control>}5{/Control}')
    await user.click(await screen.findByRole('button', { name: 'Stop everything' }))
    const asking = await screen.findByRole('alertdialog')
    await waitFor(() => expect(within(asking).getByRole('button', { name: 'Keep it running' })).toHaveFocus())
    await user.click(within(asking).getByRole('button', { name: 'Stop everything' }))
    expect(stopEverything).toHaveBeenCalled()
  })

  test('the reason of a revocation is sent along', async () => {
    const revokeKey = vi.fn(async (id: string) => aKey({ id, state: 'revoked' }))
    const fake = fakeBackend({ revokeKey })
    fake.state.keys = [aKey()]
    const { user } = open(fake)
    await user.click(await screen.findByRole('button', { name: 'Revoke Production' }))
    await user.click(await screen.findByRole('button', { name: 'Revoke key' }))
    expect(revokeKey).toHaveBeenCalledWith('AAAAAAAAAA', 'unused')
  })
})
