import { render, screen, waitFor, within } from '@testing-library/svelte'
import userEvent from '@testing-library/user-event'
import { describe, expect, test, vi } from 'vitest'
import { aReport, anError, anIntegration, fakeBackend } from '../../lib/backend/fake'
import { AppState } from '../../lib/state.svelte'
import IntegrationsPage from './IntegrationsPage.svelte'

async function open(fake = fakeBackend()) {
  const app = new AppState(fake.backend)
  await app.start()
  render(IntegrationsPage, { app })
  return { ...fake, app, user: userEvent.setup() }
}

async function openForm(fake = fakeBackend()) {
  const opened = await open(fake)
  await opened.user.click(screen.getByRole('button', { name: 'Add integration' }))
  await opened.user.click(await screen.findByRole('button', { name: /Microsoft/ }))
  await screen.findByLabelText('Name')
  return opened
}

describe('the list', () => {
  test('says how to set up a built-in integration that has no client ID', async () => {
    const fake = fakeBackend()
    fake.state.integrations = [
      anIntegration({ id: 'built-in', name: 'Built-in', client_id: null, health: 'not_set_up' }),
    ]
    const { user } = await open(fake)
    await user.click(screen.getByRole('button', { name: /^Built-in/ }))
    const card = screen.getByRole('article', { name: 'Built-in' })
    expect(within(card).getByText('/etc/policy.json')).toBeVisible()
    expect(within(card).queryByRole('button')).toBeNull()
  })

  test('shows the sentence of a check that failed, and the default', async () => {
    const fake = fakeBackend()
    fake.state.integrations = [
      anIntegration({ health: 'check_failed', check: { at: Date.now(), problem: 'It is wrong. Do this.' } }),
      anIntegration({ id: 'microsoft-zzzzzz', name: 'Other', is_default: true }),
    ]
    const { user } = await open(fake)
    const rows = screen.getAllByRole('listitem')
    expect(rows[0]).toHaveTextContent('Contoso')
    expect(rows[1]).toHaveTextContent('Default')
    await user.click(screen.getByRole('button', { name: /^Contoso/ }))
    const contoso = within(screen.getByRole('article', { name: 'Contoso' }))
    expect(contoso.getByRole('alert')).toHaveTextContent('It is wrong. Do this.')
    expect(contoso.getByRole('button', { name: 'Set as default' })).toBeVisible()
    await user.click(screen.getByRole('button', { name: /^Other/ }))
    const other = within(screen.getByRole('article', { name: 'Other' }))
    expect(other.queryByRole('button', { name: 'Set as default' })).toBeNull()
  })

  test('only Microsoft can be picked', async () => {
    const { user } = await open()
    await user.click(screen.getByRole('button', { name: 'Add integration' }))
    for (const name of ['Google', 'Slack']) {
      expect(await screen.findByRole('button', { name: new RegExp(name) })).toBeDisabled()
    }
  })

  test('asks before it deletes, with the focus on the safe choice', async () => {
    const fake = fakeBackend({ deleteIntegration: vi.fn(async () => {}) })
    fake.state.integrations = [anIntegration({ is_default: true })]
    const { user, backend } = await open(fake)
    await user.click(screen.getByRole('button', { name: /^Contoso/ }))
    await user.click(screen.getByRole('button', { name: 'Delete Contoso' }))
    const dialog = within(await screen.findByRole('alertdialog'))
    expect(dialog.getByText(/client secret is removed/)).toBeVisible()
    expect(dialog.getByText(/It is the default/)).toBeVisible()
    await waitFor(() => expect(dialog.getByRole('button', { name: 'Keep it' })).toHaveFocus())
    await user.click(dialog.getByRole('button', { name: 'Delete integration' }))
    expect(backend.deleteIntegration).toHaveBeenCalledWith('microsoft-abcdef')
  })
})

describe('the form', () => {
  const wrong = aReport({
    problems: [
      { field: 'name', problem: 'The name is empty.' },
      { field: 'client_id', problem: 'The client ID is not a GUID.' },
    ],
  })

  test('calls a field wrong once something stands in it, and all of them when it is sent', async () => {
    const { user } = await openForm(fakeBackend({ integrationReport: async () => wrong }))
    expect(screen.queryByRole('alert')).toBeNull()
    await user.type(screen.getByLabelText('Application (client) ID'), 'x')
    expect(await screen.findByText('The client ID is not a GUID.')).toBeVisible()
    expect(screen.queryByText('The name is empty.')).toBeNull()
    await user.click(screen.getByRole('button', { name: 'Check and save' }))
    expect(await screen.findByText('The name is empty.')).toBeVisible()
    expect(screen.getByLabelText('Name')).toHaveFocus()
  })

  test('shows the redirect URI and the platform that follow from it', async () => {
    await openForm(
      fakeBackend({
        integrationReport: async () => aReport({ platform: 'web', redirect_uri: 'http://uri' }),
      }),
    )
    expect(await screen.findByText('http://uri')).toBeVisible()
    expect(screen.getByText('Web')).toBeVisible()
  })

  test('is found again when it was left, with its redirect and without its secret', async () => {
    const fake = fakeBackend()
    let given = 0
    fake.backend.freshIntegration = async () => ({
      ...(await fakeBackend().backend.freshIntegration()),
      id: `microsoft-${++given}`,
    })
    const { app, user } = await openForm(fake)
    await user.type(await screen.findByLabelText('Name'), 'Contoso')
    await user.type(screen.getByLabelText('Client secret'), 'planted-secret')
    await user.click(screen.getByRole('button', { name: 'All integrations' }))
    expect(await screen.findByText(/The form of “Contoso” was left unsaved/)).toBeVisible()
    expect(app.view.draft?.id).toBe('microsoft-1')
    expect(JSON.stringify(app.view.draft)).not.toContain('planted-secret')
    await user.click(screen.getByRole('button', { name: 'Continue' }))
    expect(await screen.findByLabelText('Name')).toHaveValue('Contoso')
    expect(screen.getByLabelText('Client secret')).toHaveValue('')
    expect(given).toBe(1)
  })

  test('a new secret does not end with the old one', async () => {
    const fake = fakeBackend()
    const stored = anIntegration({ secret: 'stored' })
    fake.state.integrations = [stored]
    const end = new Date(2027, 0, 31, 23, 59, 59, 999).getTime()
    fake.backend.integrationDraft = async () => ({
      ...(await fakeBackend().backend.freshIntegration()),
      id: stored.id,
      secret_expires_at: end,
    })
    const { user } = await open(fake)
    await user.click(screen.getByRole('button', { name: /^Contoso/ }))
    await user.click(screen.getByRole('button', { name: `Edit ${stored.name}` }))
    expect(await screen.findByLabelText(/last day/i)).toHaveValue('2027-01-31')
    await user.click(screen.getByRole('button', { name: 'Replace' }))
    expect(screen.getByLabelText(/last day/i)).toHaveValue('2027-01-31')
    await user.type(screen.getByLabelText('Client secret'), 'planted')
    expect(screen.getByLabelText(/last day/i)).toHaveValue('')
  })

  test('sends the secret once and asks before it saves what Microsoft refuses', async () => {
    const saveIntegration = vi.fn(async () => anIntegration())
    const { user } = await openForm(
      fakeBackend({
        saveIntegration,
        preflight: async (_, __, onStep) => {
          const failure = { what: 'The secret is wrong', fix: 'Paste it again.', aadsts: 7000215 }
          const state = {
            state: 'failed',
            failure: { ...failure, correlation_id: null, said: null },
          } as const
          onStep({ step: 'secret', state: { state: 'running' } })
          onStep({ step: 'secret', state })
          return false
        },
      }),
    )
    await user.type(screen.getByLabelText('Client secret'), 'planted')
    await user.click(screen.getByRole('button', { name: 'Check and save' }))
    const dialog = within(await screen.findByRole('alertdialog'))
    expect(dialog.getByText('The secret is wrong.')).toBeVisible()
    expect(saveIntegration).not.toHaveBeenCalled()
    // Back leads to what has to be put right.
    await user.click(dialog.getByRole('button', { name: 'Go back' }))
    await waitFor(() => expect(screen.getByLabelText('Client secret')).toHaveFocus())
    await user.click(screen.getByRole('button', { name: 'Check and save' }))
    await user.click(await screen.findByRole('button', { name: 'Save anyway' }))
    expect(saveIntegration).toHaveBeenCalledWith(expect.anything(), { kind: 'replace', secret: 'planted' })
    expect(await screen.findByRole('button', { name: 'Add integration' })).toBeVisible()
  })

  test('names who has to sign in again before it saves what leads elsewhere', async () => {
    const saveIntegration = vi.fn(async () => anIntegration())
    // Two people of one name, at two tenants.
    const report = aReport({ signs_out: ['ada@contoso.com', 'ada@contoso.com'] })
    const { user } = await openForm(
      fakeBackend({ saveIntegration, preflight: async () => true, integrationReport: async () => report }),
    )
    await user.click(screen.getByRole('button', { name: 'Check and save' }))
    const dialog = within(await screen.findByRole('alertdialog'))
    expect(dialog.getAllByText('ada@contoso.com')).toHaveLength(2)
    await user.click(dialog.getByRole('button', { name: 'Go back' }))
    expect(saveIntegration).not.toHaveBeenCalled()
    await user.click(screen.getByRole('button', { name: 'Check and save' }))
    await user.click(await screen.findByRole('button', { name: 'Save and sign them out' }))
    expect(saveIntegration).toHaveBeenCalledOnce()
  })

  test('keeps what was typed when saving fails', async () => {
    const { user } = await openForm(
      fakeBackend({ saveIntegration: () => Promise.reject(anError('keychain_locked')) }),
    )
    await user.type(screen.getByLabelText('Name'), 'Typed with care')
    await user.click(screen.getByRole('button', { name: 'Check and save' }))
    expect(await screen.findByRole('alert')).toHaveTextContent('It failed: keychain_locked.')
    expect(screen.getByLabelText('Name')).toHaveValue('Typed with care')
  })

  test('picks scopes from bundles, the list and free text', async () => {
    const reports: string[][] = []
    const { user } = await openForm(
      fakeBackend({
        integrationReport: async (draft) => {
          reports.push(draft.scopes)
          return aReport()
        },
      }),
    )
    await user.click(await screen.findByRole('button', { name: 'Outlook read' }))
    await user.click(await screen.findByRole('checkbox', { name: /Chat\.Read/ }))
    await user.type(screen.getByLabelText('Search, or type a scope and press Enter'), 'Own.Thing{Enter}')
    await waitFor(() => expect(reports.at(-1)).toEqual(['Mail.Read', 'Chat.Read', 'Own.Thing']))
    await user.click(screen.getByRole('button', { name: 'Remove Own.Thing' }))
    await waitFor(() => expect(reports.at(-1)).toEqual(['Mail.Read', 'Chat.Read']))
  })
})
