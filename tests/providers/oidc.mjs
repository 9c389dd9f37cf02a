// The certified OpenID Provider package as an authority, with its own sign-in pages.
import { Provider } from 'oidc-provider'

const PORT = 4010
const provider = new Provider(`http://localhost:${PORT}`, {
  clients: [
    {
      client_id: '11111111-2222-3333-4444-555555555555',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: ['http://localhost/oauth/callback'],
    },
  ],
  scopes: ['openid', 'offline_access', 'User.Read', 'Mail.Read', 'Calendars.Read'],
  claims: { openid: ['sub'], profile: ['preferred_username', 'name'] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, preferred_username: `${id}@contoso.example`, name: id }),
  }),
  issueRefreshToken: async () => true,
  pkce: { required: () => true },
  // Over after a moment, so that a test can see it renewed.
  ttl: { AccessToken: 1 },
  cookies: { keys: ['tests only'] },
})

// Like Entra: the port of localhost does not count. Its path names an integration made by the test.
provider.Client.prototype.redirectUriAllowed = (uri) =>
  /^http:\/\/localhost:\d+\/oauth\/microsoft-[a-z0-9]{6}\/callback$/.test(uri)

// Its pages know no account picker.
provider.use(async (context, next) => {
  if (context.path === '/auth') delete context.query.prompt
  await next()
})

provider.listen(PORT, '127.0.0.1')
