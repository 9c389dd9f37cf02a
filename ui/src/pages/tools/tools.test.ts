import { render, screen, waitFor, within } from '@testing-library/svelte'
import userEvent from '@testing-library/user-event'
import { describe, expect, test, vi } from 'vitest'
import {
  aConnection,
  anApproval,
  aReport,
  aSignIn,
  anError,
  anIntegration,
  fakeBackend,
} from '../../lib/backend/fake'
import { AppState } from '../../lib/state.svelte'
import ToolsPage from './ToolsPage.svelte'

async function open(fake = fakeBackend()) {
  const app = new AppState(fake.backend)
  await app.start()
  expect(app.phase.name).toBe('ready')
  render(ToolsPage, { app, onintegrations: () => {} })
  return { ...fake, app, user: userEvent.setup() }
}

describe('a question of an agent', () => {
  test('is answered with what a person wrote instead, and as it was once that is taken back', async () => {
    const approve = vi.fn(async () => {})
    const fake = fakeBackend({ approve })
    fake.state.approvals = [anApproval()]
    const { user } = await open(fake)
    await user.click(screen.getByRole('button', { name: 'Change the text…' }))
    const body = screen.getByRole('textbox', { name: 'What would be sent' })
    expect(body).toHaveValue('Hello')
    const once = screen.getByRole('button', { name: 'Allow once' })
    await waitFor(() => expect(once).toBeEnabled())
    await user.type(body, ', Grace')
    await user.click(screen.getByRole('button', { name: 'Allow once, as changed' }))
    expect(approve).toHaveBeenLastCalledWith('abcdefghjk', false, { subject: 'Offer', body: 'Hello, Grace' })
    await user.click(screen.getByRole('button', { name: 'As it was' }))
    await user.click(screen.getByRole('button', { name: 'Allow once' }))
    expect(approve).toHaveBeenLastCalledWith('abcdefghjk', false, {})
  })

  test('can not be changed where the program wrote the whole call', async () => {
    const fake = fakeBackend()
    const asked = anApproval()
    const shown = asked.shown && { ...asked.shown, editable: { subject: null, body: null } }
    fake.state.approvals = [{ ...asked, shown }]
    await open(fake)
    expect(screen.getByRole('button', { name: 'Deny' })).toBeVisible()
    expect(screen.queryByRole('button', { name: 'Change the text…' })).toBeNull()
  })
})

describe('the Tools page', () => {
  test('says why nobody can connect while there is no integration', async () => {
    await open()
    expect(screen.getByText(/no integration with a client ID/)).toBeVisible()
    expect(screen.getByRole('button', { name: 'Connect to Outlook' })).toBeDisabled()
  })

  test('shows a state as a word, its reason and what was not granted', async () => {
    const fake = fakeBackend()
    fake.state.integrations = [anIntegration()]
    fake.state.connections = [
      aConnection({ refused: ['Mail.Send'] }),
      aConnection({
        id: 'teams-abcdefgh',
        toolkit: 'teams',
        account: 'grace@contoso.com',
        state: 'failing',
        problem: 'A rule blocks this. Ask IT.',
      }),
    ]
    const { user } = await open(fake)
    await user.click(screen.getByRole('button', { name: /^ada@contoso\.com/ }))
    const ada = within(screen.getByRole('article', { name: 'ada@contoso.com' }))
    expect(ada.getByText(/Asked for but not granted: Mail\.Send/)).toBeVisible()
    await user.click(screen.getByRole('button', { name: /^grace@contoso\.com/ }))
    const grace = within(screen.getByRole('article', { name: 'grace@contoso.com' }))
    expect(grace.getByText('A rule blocks this. Ask IT.')).toBeVisible()
  })

  test('tests a connection and shows each call', async () => {
    const fake = fakeBackend({
      probeConnection: async () => [
        { call: 'GET /me', passed: true, note: 'Ada Lovelace' },
        { call: 'GET /me/messages', passed: false, note: 'Graph answered 403' },
      ],
    })
    fake.state.integrations = [anIntegration()]
    fake.state.connections = [aConnection()]
    const { user } = await open(fake)
    await user.click(screen.getByRole('button', { name: /^ada@contoso\.com/ }))
    await user.click(screen.getByRole('button', { name: 'Test ada@contoso.com' }))
    expect(await screen.findByText('Ada Lovelace')).toBeVisible()
    expect(screen.getByText('Graph answered 403')).toBeVisible()
  })
})

describe('connecting', () => {
  test('pre-selects the default, says that an administrator is needed, and opens the browser', async () => {
    const beginSignIn = vi.fn(async () => aSignIn())
    const openSignIn = vi.fn(async () => {})
    const fake = fakeBackend({
      beginSignIn,
      openSignIn,
      integrationReport: async () => aReport({ needs_admin: true, consent_link: 'https://consent' }),
    })
    fake.state.integrations = [
      anIntegration({ id: 'microsoft-aaaaaa', name: 'First' }),
      anIntegration({ id: 'microsoft-bbbbbb', name: 'Second', is_default: true }),
    ]
    const { user } = await open(fake)
    await user.click(screen.getByRole('button', { name: 'Connect to Outlook' }))
    const dialog = within(await screen.findByRole('dialog'))
    expect(dialog.getByText('Second')).toBeVisible()
    expect(await dialog.findByText(/probably need an administrator/)).toBeVisible()
    await user.click(dialog.getByRole('button', { name: 'Open the browser' }))
    expect(beginSignIn).toHaveBeenCalledWith({
      toolkit: 'outlook',
      integration: 'microsoft-bbbbbb',
      again: null,
      switch_account: false,
    })
    expect(openSignIn).toHaveBeenCalledWith('abcdefghjkmn')
    expect(await dialog.findByText(/Waiting for you to sign in/)).toBeVisible()
    await user.type(dialog.getByLabelText(/Microsoft shows an error code/), 'AADSTS50011')
    await user.click(dialog.getByRole('button', { name: 'Explain' }))
    expect(await dialog.findByText('It is wrong.')).toBeVisible()
  })

  test('follows the news to its end, and cancels what is given up', async () => {
    let progress: ReturnType<typeof aSignIn>['progress'] = { progress: 'waiting' }
    const cancelSignIn = vi.fn(async () => {})
    const fake = fakeBackend({ signIn: async () => aSignIn({ progress }), cancelSignIn })
    fake.state.integrations = [anIntegration({ is_default: true })]
    const { user, tell } = await open(fake)
    await user.click(screen.getByRole('button', { name: 'Connect to Teams' }))
    await user.click(await screen.findByRole('button', { name: 'Open the browser' }))
    await screen.findByText(/Waiting for you/)
    progress = { progress: 'done', connection: 'outlook-abcdefgh', account: 'ada@contoso.com' }
    tell('sign_ins')
    expect(await screen.findByText('ada@contoso.com is connected.')).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Done' }))
    expect(cancelSignIn).not.toHaveBeenCalled()

    progress = { progress: 'waiting' }
    await user.click(screen.getByRole('button', { name: 'Connect to Teams' }))
    await user.click(await screen.findByRole('button', { name: 'Open the browser' }))
    await screen.findByText(/Waiting for you/)
    await user.click(screen.getByRole('button', { name: 'Cancel' }))
    expect(cancelSignIn).toHaveBeenCalledWith('abcdefghjkmn')
  })

  test('offers a code where the browser can not reach this machine', async () => {
    const code = aSignIn({
      id: 'second',
      device: { code: 'ABCD-EFGH', page: 'https://microsoft.com/devicelogin' },
    })
    const cancelSignIn = vi.fn(async () => {})
    const fake = fakeBackend({ cancelSignIn, beginDeviceSignIn: async () => code })
    fake.state.integrations = [anIntegration({ is_default: true })]
    const { user } = await open(fake)
    await user.click(screen.getByRole('button', { name: 'Connect to Outlook' }))
    await user.click(await screen.findByRole('button', { name: 'Open the browser' }))
    await user.click(await screen.findByRole('button', { name: /Use a code on another one/ }))
    expect(await screen.findByText('ABCD-EFGH')).toBeVisible()
    expect(screen.getByText('https://microsoft.com/devicelogin')).toBeVisible()
    expect(cancelSignIn).toHaveBeenCalledWith('abcdefghjkmn')
  })

  test('says in place why no browser opened, with the link to copy', async () => {
    const fake = fakeBackend({ openSignIn: () => Promise.reject(anError('browser_failed')) })
    fake.state.integrations = [anIntegration({ is_default: true })]
    const { user } = await open(fake)
    await user.click(screen.getByRole('button', { name: 'Connect to Outlook' }))
    await user.click(await screen.findByRole('button', { name: 'Open the browser' }))
    expect(await screen.findByRole('alert')).toHaveTextContent('It failed: browser_failed.')
    expect(screen.getByRole('button', { name: 'Copy the link' })).toBeVisible()
  })

  test('asks before it disconnects', async () => {
    const disconnect = vi.fn(async () => {})
    const fake = fakeBackend({ disconnect })
    fake.state.integrations = [anIntegration()]
    fake.state.connections = [aConnection()]
    const { user } = await open(fake)
    await user.click(screen.getByRole('button', { name: /^ada@contoso\.com/ }))
    await user.click(screen.getByRole('button', { name: 'Disconnect ada@contoso.com' }))
    const dialog = within(await screen.findByRole('alertdialog'))
    expect(dialog.getByText(/Agents lose access to this account’s Outlook/)).toBeVisible()
    await waitFor(() => expect(dialog.getByRole('button', { name: 'Keep it' })).toHaveFocus())
    await user.click(dialog.getByRole('button', { name: 'Disconnect' }))
    expect(disconnect).toHaveBeenCalledWith('outlook-abcdefgh')
  })
})
