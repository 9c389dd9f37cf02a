import { render, screen, waitFor, within } from '@testing-library/svelte'
import userEvent from '@testing-library/user-event'
import { describe, expect, test, vi } from 'vitest'
import App from './App.svelte'
import { aKey, anError, fakeBackend } from './lib/backend/fake'
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
    expect(await screen.findByText('From elsewhere')).toBeVisible()
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
    open(fake)
    for (const word of ['Active', 'Expiring', 'Expired', 'Replaced', 'Revoked']) {
      expect(await screen.findByText(word)).toBeVisible()
    }
    expect(screen.getAllByRole('button', { name: 'Revoke Production' })).toHaveLength(2)
  })
})

describe('creating a key', () => {
  test('keeps what was typed when it fails', async () => {
    const { user } = open(fakeBackend({ createKey: () => Promise.reject(anError('disk_full')) }))
    await user.click(await screen.findByRole('button', { name: 'New key' }))
    const dialog = await screen.findByRole('dialog')
    await user.type(within(dialog).getByLabelText('Name'), 'Typed with care')
    await user.click(within(dialog).getByRole('button', { name: 'Create key' }))
    expect(await within(dialog).findByRole('alert')).toHaveTextContent('It failed: disk_full.')
    expect(within(dialog).getByLabelText('Name')).toHaveValue('Typed with care')
  })

  test('names the key that stops and sends it along', async () => {
    const createKey = vi.fn(async () => ({ key: aKey(), text: 'the text of the key' }))
    const fake = fakeBackend({
      createKey,
      recentCallers: async () => [
        { program: 'node server.js', user_agent: 'undici', requests: 12, last_at: Date.now() },
      ],
    })
    fake.state.keys = [aKey({ last_used: { at: Date.now(), by: 'node server.js' } })]
    const { user } = open(fake)
    await user.click(await screen.findByRole('button', { name: 'New key' }))
    const dialog = await screen.findByRole('dialog')
    expect(within(dialog).getByText('“Production” stops working at once')).toBeVisible()
    expect(await within(dialog).findByText('node server.js')).toBeVisible()
    await user.type(within(dialog).getByLabelText('Name'), 'Next')
    await user.click(within(dialog).getByRole('button', { name: 'Create and replace' }))
    expect(createKey).toHaveBeenCalledWith({
      name: 'Next',
      expiry: { kind: 'days', days: 90 },
      replaces: 'AAAAAAAAAA',
    })
  })

  test('does not let a key go uncopied without asking', async () => {
    const dismissNewKey = vi.fn(async () => {})
    const { user } = open(fakeBackend({ dismissNewKey }))
    await user.click(await screen.findByRole('button', { name: 'New key' }))
    await user.type(await screen.findByLabelText('Name'), 'Held')
    await user.click(screen.getByRole('button', { name: 'Create key' }))
    expect(await screen.findByLabelText('The new API key')).toHaveValue('the text of the key')
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
    expect(screen.getByText('Enter a whole number.')).toBeVisible()
    expect(screen.getByRole('button', { name: 'Save changes' })).toBeDisabled()
  })
})
