import { render, screen, within } from '@testing-library/svelte'
import userEvent from '@testing-library/user-event'
import { describe, expect, test, vi } from 'vitest'
import App from '../../App.svelte'
import type { SharedView } from '../../lib/backend/backend'
import { anError, fakeBackend } from '../../lib/backend/fake'
import { AppState } from '../../lib/state.svelte'

const host = (over: Partial<SharedView['hosts'][number]>) => ({
  id: 'aaaa',
  name: 'edge-1',
  is_here: false,
  is_there: true,
  version: '1.0.0',
  address: 'http://127.0.0.1:8765',
  serves_since: Date.now(),
  seen_at: Date.now(),
  ...over,
})
const shared = (hosts: SharedView['hosts']): SharedView => ({
  url: 'postgres://atthene@db.example/atthene',
  hosts,
  gateway_beside_window: false,
})

function open(fake = fakeBackend()) {
  const app = new AppState(fake.backend)
  void app.start()
  render(App, { app })
  return { user: userEvent.setup() }
}

async function openData(user: ReturnType<typeof userEvent.setup>) {
  await user.click(await screen.findByRole('button', { name: 'Preferences' }))
  await user.click(await screen.findByRole('tab', { name: 'Data' }))
}

describe('a profile that hosts share', () => {
  test('tells who serves it where this machine does not, and snippets lead to a host that others reach', async () => {
    const fake = fakeBackend({ gatewayState: async () => ({ state: 'elsewhere' }) })
    const reached = host({ id: 'bbbb', name: 'edge-2', address: 'http://10.0.0.2:8765' })
    fake.state.shared = shared([host({}), reached, host({ id: 'cccc', name: 'gone', is_there: false })])
    const { user } = open(fake)
    expect(await screen.findByText('This machine runs no gateway. Served by edge-1, edge-2.')).toBeVisible()
    expect(screen.getByText('On other hosts')).toBeVisible()
    const copyText = vi.spyOn(fake.backend, 'copyText')
    await user.keyboard('{Control>}k{/Control}')
    await user.type(await screen.findByRole('combobox'), 'address{Enter}')
    expect(copyText).toHaveBeenCalledWith('http://10.0.0.2:8765')
  })

  test('runs a gateway here when it is asked to', async () => {
    const fake = fakeBackend()
    fake.state.shared = shared([host({})])
    const { user } = open(fake)
    await openData(user)
    const here = await screen.findByRole('checkbox', { name: 'Run a gateway on this machine, too' })
    expect(here).not.toBeChecked()
    await user.click(here)
    expect(fake.state.shared?.gateway_beside_window).toBe(true)
    expect(here).toBeChecked()
  })

  test('lists of many hosts this one, then those that need a look, and the rest when it is asked to', async () => {
    const many = Array.from({ length: 20 }, (_, n) => host({ id: `id-${n}`, name: `edge-${n}` }))
    const gone = host({ id: 'gone', name: 'gone', is_there: false })
    const never = { is_there: false, version: null, address: null, seen_at: null }
    const fake = fakeBackend()
    fake.state.shared = shared([
      ...many,
      gone,
      host({ id: 'here', name: 'here', is_here: true, ...never }),
      host({ id: 'new', name: 'new', ...never }),
    ])
    const { user } = open(fake)
    await openData(user)
    const table = await screen.findByRole('table', { name: 'Hosts that share this profile' })
    const listed = () =>
      within(table)
        .getAllByRole('rowheader')
        .map((it) => it.querySelector('bdi')?.textContent)
    expect(screen.getByText('Serving: 20 of 23 hosts.')).toBeVisible()
    expect(listed().slice(0, 3)).toEqual(['here', 'gone', 'edge-0'])
    expect(listed()).toHaveLength(8)
    await user.click(screen.getByRole('button', { name: 'Show all 23 hosts' }))
    expect(listed()).toHaveLength(23)
    expect(listed().at(-1)).toBe('new')
  })

  test('lets go of a host that is gone, and of no other', async () => {
    const fake = fakeBackend()
    const away = { is_there: false, address: null }
    fake.state.shared = shared([
      host({ id: 'there', name: 'edge-1' }),
      host({ id: 'gone', name: 'edge-2', ...away }),
      host({ id: 'here', name: 'desk', is_here: true, ...away }),
    ])
    const { user } = open(fake)
    await openData(user)
    const table = within(await screen.findByRole('table', { name: 'Hosts that share this profile' }))
    expect(table.getAllByRole('button').map((it) => it.getAttribute('aria-label'))).toEqual(['Forget edge-2'])
    const forgets = vi.spyOn(fake.backend, 'forgetHost').mockRejectedValueOnce(anError('fleet_refused'))
    await user.click(table.getByRole('button', { name: 'Forget edge-2' }))
    expect(await screen.findByText(/It failed: fleet_refused/)).toBeVisible()
    await user.click(table.getByRole('button', { name: 'Forget edge-2' }))
    expect(forgets.mock.calls).toEqual([['gone'], ['gone']])
    expect(screen.queryByText(/It failed/)).toBeNull()
    expect(table.queryByText('edge-2')).toBeNull()
    expect(table.queryByText('Forget')).toBeNull()
  })

  test('is looked at once in a while, and not again because it was looked at', async () => {
    let looks = 0
    const look = (): Promise<SharedView> => {
      looks++
      return new Promise((done) => setTimeout(() => done(shared([host({})]))))
    }
    const { user } = open(fakeBackend({ sharedProfile: look }))
    await openData(user)
    await user.click(await screen.findByRole('button', { name: 'Leave…' }))
    await user.click(await screen.findByRole('button', { name: 'Cancel' }))
    // At the start, by the page that opened, and each five seconds where this machine is slow.
    expect(looks).toBeLessThan(5)
  })

  test('is joined with an invite and its passphrase, which stays where it failed', async () => {
    const joins = vi.fn().mockRejectedValueOnce(anError('fleet_refused')).mockResolvedValue(undefined)
    const { user } = open(
      fakeBackend({ chooseInvite: async () => '/home/ada/desk.age', joinSharedProfile: joins }),
    )
    await openData(user)
    await user.click(await screen.findByRole('button', { name: 'Join a shared profile…' }))
    const dialog = within(await screen.findByRole('dialog'))
    const join = dialog.getByRole('button', { name: 'Join' })
    expect(join).toBeDisabled()
    await user.click(dialog.getByRole('button', { name: 'Choose invite…' }))
    await user.type(dialog.getByLabelText('Its passphrase'), ' correct horse ')
    await user.click(join)
    expect(await dialog.findByRole('alert')).toHaveTextContent('It failed: fleet_refused.')
    await user.click(join)
    expect(await dialog.findByRole('status')).toHaveTextContent('starts again')
    expect(joins.mock.calls).toEqual([['correct horse'], ['correct horse']])
    expect(join).toBeDisabled()
  })

  test('is left only after a question, and shared with an address that has no password in it', async () => {
    const fake = fakeBackend()
    const shareProfile = vi.spyOn(fake.backend, 'shareProfile')
    const { user } = open(fake)
    await openData(user)
    await user.click(await screen.findByRole('button', { name: 'Share this profile…' }))
    await user.type(await screen.findByLabelText('Address of the database'), 'postgres://ada@db/x')
    await user.type(screen.getByLabelText('Password of its user'), 'not a real one')
    await user.click(screen.getByRole('button', { name: 'Copy and share' }))
    expect(shareProfile).toHaveBeenCalledWith('postgres://ada@db/x', 'not a real one')
  })
})
