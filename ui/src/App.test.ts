import { render, screen, waitFor, within } from '@testing-library/svelte'
import userEvent from '@testing-library/user-event'
import { describe, expect, test, vi } from 'vitest'
import App from './App.svelte'
import { aKey, aNewKey, anError, fakeBackend } from './lib/backend/fake'
import { AppState } from './lib/state.svelte'

function open(fake = fakeBackend()) {
  const app = new AppState(fake.backend)
  void app.start()
  render(App, { app })
  return { ...fake, user: userEvent.setup() }
}

describe('the API Keys page', () => {
  test('says what to do when there is no key', async () => {
    open()
    expect(await screen.findByText('No API key yet')).toBeVisible()
    expect(screen.getByText('http://127.0.0.1:8765')).toBeVisible()
  })

  test('says why when the data can not be opened, and tries again', async () => {
    const { user } = open(
      fakeBackend({
        startUp: () => Promise.reject(anError('database_locked')),
      }),
    )
    expect(await screen.findByRole('alert')).toHaveTextContent('It failed: database_locked.')
    expect(screen.getByRole('alert')).toHaveTextContent('Do this.')
    await user.click(screen.getByRole('button', { name: 'Try again' }))
    expect(await screen.findByText('No API key yet')).toBeVisible()
  })

  test('shows what another process changed', async () => {
    const { state, tell } = open()
    await screen.findByText('No API key yet')
    state.keys = [aKey({ name: 'From elsewhere' })]
    tell('keys')
    expect(await screen.findByRole('heading', { name: 'From elsewhere' })).toBeVisible()
  })

  test('offers the free port when the port is taken', async () => {
    const saveSettings = vi.fn(async (changed) => changed)
    const { user } = open(
      fakeBackend({
        gatewayState: async () => ({
          state: 'port_taken',
          port: 8765,
          by: 'node server.js',
          free_port: 8766,
        }),
        saveSettings,
        attention: async () => [
          {
            id: 'gateway',
            weight: 'urgent',
            harm: 'everything_refused',
            title: 'Applications can’t reach the gateway',
            text: 'Port 8765 is taken by node server.js.',
            fix: { kind: 'show_preferences' },
          },
        ],
      }),
    )
    expect(await screen.findByText(/Port 8765 is taken by node server.js/)).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Use port 8766 instead' }))
    expect(saveSettings).toHaveBeenCalledWith(expect.objectContaining({ gateway_port: 8766 }), {
      kind: 'keep',
    })
  })

  test('a state is a word, not a colour alone', async () => {
    const fake = fakeBackend()
    fake.state.keys = (['active', 'expiring', 'expired', 'replaced', 'revoked'] as const).map((state, at) =>
      aKey({ id: `key-${at}`, state }),
    )
    fake.state.keys.shift()
    const { user } = open(fake)
    await user.click(await screen.findByRole('button', { name: '3 ended keys' }))
    for (const word of ['Expiring', 'Expired', 'Replaced', 'Revoked']) {
      expect(await screen.findByText(word)).toBeVisible()
    }
    expect(screen.getAllByRole('button', { name: 'Revoke Production' })).toHaveLength(1)
  })
})

describe('creating a key', () => {
  test('keeps what was typed when it fails', async () => {
    const { user } = open(fakeBackend({ createKey: () => Promise.reject(anError('disk_full')) }))
    await user.click(await screen.findByRole('button', { name: 'Create new key' }))
    const dialog = await screen.findByRole('dialog')
    await user.type(within(dialog).getByLabelText('Name'), 'Typed with care')
    await user.click(within(dialog).getByRole('button', { name: 'Create key' }))
    expect(await within(dialog).findByRole('alert')).toHaveTextContent('It failed: disk_full.')
    expect(within(dialog).getByLabelText('Name')).toHaveValue('Typed with care')
  })

  test('names the key that stops, and ends it only when the new one is taken', async () => {
    const fake = fakeBackend({
      recentCallers: async () => [
        { program: 'node server.js', user_agent: 'undici', requests: 12, last_at: Date.now() },
      ],
    })
    const createKey = vi.spyOn(fake.backend, 'createKey')
    const copyNewKey = vi.spyOn(fake.backend, 'copyNewKey')
    const tryNewKey = vi.spyOn(fake.backend, 'tryNewKey')
    fake.state.keys = [aKey({ last_used: { at: Date.now(), by: 'node server.js' } })]
    const { user } = open(fake)
    await user.click(await screen.findByRole('button', { name: 'Replace…' }))
    const dialog = await screen.findByRole('dialog')
    expect(within(dialog).getByText('“Production” stops working when you take the new key')).toBeVisible()
    expect(await within(dialog).findByText('node server.js')).toBeVisible()
    await user.type(within(dialog).getByLabelText('Name'), 'Next')
    await user.click(within(dialog).getByRole('button', { name: 'Show the new key' }))
    expect(createKey).toHaveBeenCalledWith({
      name: 'Next',
      expiry: { kind: 'days', days: 90 },
      replaces: 'AAAAAAAAAA',
    })
    expect(await screen.findByText(/“Production” works on until you take this one/)).toBeVisible()
    expect(tryNewKey).not.toHaveBeenCalled()
    await user.click(screen.getByRole('button', { name: 'Copy and replace' }))
    expect(copyNewKey).toHaveBeenCalledWith('AAAAAAAAAA', null)
    expect(await screen.findByRole('dialog', { name: 'Your key works' })).toBeVisible()
  })

  test('lets a key that is not in force go without a question', async () => {
    const fake = fakeBackend()
    fake.state.keys = [aKey()]
    fake.state.held = aNewKey({ is_live: false, replaces: 'AAAAAAAAAA' })
    const { user } = open(fake)
    await user.click(await screen.findByRole('button', { name: 'Keep the old key' }))
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
    expect(screen.queryByRole('alertdialog')).toBeNull()
    expect(fake.state.held).toBeNull()
  })

  test('shows the answer of a call, and the key only to who asks for it', async () => {
    const { user } = open()
    await user.click(await screen.findByRole('button', { name: 'Create new key' }))
    await user.type(await screen.findByLabelText('Name'), 'First{Enter}')
    expect(await screen.findByText(/The gateway works/)).toBeVisible()
    expect(screen.getByText(/POST .* 0.9 ms/)).toBeVisible()
    expect(screen.queryByText('the text of the key')).toBeNull()
    await user.click(screen.getByRole('button', { name: 'Show the key' }))
    expect(await screen.findByText('the text of the key')).toBeVisible()
  })

  test('asks again where something else was copied over the key', async () => {
    const fake = fakeBackend()
    const { user } = open(fake)
    await user.click(await screen.findByRole('button', { name: 'Create new key' }))
    await user.type(await screen.findByLabelText('Name'), 'First{Enter}')
    await user.click(await screen.findByRole('button', { name: 'Copy key' }))
    fake.state.held = aNewKey({ place: { place: 'overwritten' } })
    await user.click(screen.getByRole('button', { name: 'Done' }))
    expect(await screen.findByRole('alertdialog')).toHaveTextContent('Something else was copied over the key')
  })

  test('does not let a key go uncopied without asking', async () => {
    const fake = fakeBackend()
    const dismissNewKey = vi.spyOn(fake.backend, 'dismissNewKey')
    const { user } = open(fake)
    await user.click(await screen.findByRole('button', { name: 'Create new key' }))
    await user.type(await screen.findByLabelText('Name'), 'Held')
    await user.click(screen.getByRole('button', { name: 'Create key' }))
    expect(await screen.findByRole('dialog', { name: 'Your key works' })).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Done' }))
    const asking = await screen.findByRole('alertdialog')
    await waitFor(() => expect(within(asking).getByRole('button', { name: 'Keep it open' })).toHaveFocus())
    await user.click(within(asking).getByRole('button', { name: 'Keep it open' }))
    expect(dismissNewKey).not.toHaveBeenCalled()
    await user.click(screen.getByRole('button', { name: 'Copy key' }))
    await user.click(screen.getByRole('button', { name: 'Done' }))
    await waitFor(() => expect(dismissNewKey).toHaveBeenCalled())
  })
})

describe('the keyboard', () => {
  test('Ctrl+N asks for a new key and Escape leaves it', async () => {
    const { user } = open()
    await screen.findByText('No API key yet')
    await user.keyboard('{Control>}n{/Control}')
    expect(await screen.findByRole('dialog')).toBeVisible()
    await user.keyboard('{Escape}')
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
  })

  test('Ctrl+5 goes to the preferences, which refuse what is no number', async () => {
    const { user } = open()
    await screen.findByText('No API key yet')
    await user.keyboard('{Control>}5{/Control}')
    const port = await screen.findByLabelText('Port')
    await user.clear(port)
    await user.type(port, '87x')
    expect(screen.getByText('Enter a whole number from 1024 to 65535.')).toBeVisible()
    expect(screen.getByRole('button', { name: 'Save' })).toBeDisabled()
  })
})
