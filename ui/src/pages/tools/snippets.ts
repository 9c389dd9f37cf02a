import type { Toolkit } from '../../lib/backend/backend'

const READS: Record<Toolkit, string> = {
  outlook: 'v1.0/me/messages?$top=5&$select=subject,from',
  teams: 'v1.0/me/chats?$top=5',
}

const SENDS: Record<Toolkit, { what: string; path: string; body: string }> = {
  outlook: {
    what: 'Send a mail',
    path: 'v1.0/me/sendMail',
    body: '{"message": {"subject": "Hello", "body": {"content": "From an agent"}, "toRecipients": [{"emailAddress": {"address": "someone@example.com"}}]}}',
  },
  teams: {
    what: 'Post to a chat',
    path: 'v1.0/chats/CHAT_ID/messages',
    body: '{"body": {"content": "From an agent"}}',
  },
}

/** How an agent uses a connection, with the real address of the gateway. */
export function connectionSnippets(url: string, id: string, toolkit: Toolkit) {
  const base = `${url}/api/amas/connections/${id}`
  const { what, path, body } = SENDS[toolkit]
  return [
    {
      id: 'curl',
      language: 'curl',
      code: `curl '${base}/graph/${READS[toolkit]}' \\
  -H "Authorization: Bearer $ATTHENE_API_KEY"

# ${what}
curl '${base}/graph/${path}' \\
  -H "Authorization: Bearer $ATTHENE_API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '${body}'`,
    },
    {
      id: 'python',
      language: 'Python',
      code: `import os, requests

answer = requests.get(
    "${base}/graph/${READS[toolkit]}",
    headers={"Authorization": f"Bearer {os.environ['ATTHENE_API_KEY']}"},
)
answer.raise_for_status()
print(answer.json()["value"])`,
    },
    {
      id: 'graph-sdk',
      language: 'Python, Graph SDK',
      code: `import datetime, os, requests
from azure.core.credentials import AccessToken
from msgraph import GraphServiceClient

class Atthene:
    def get_token(self, *scopes, **_):
        token = requests.post(
            "${base}/token",
            headers={"Authorization": f"Bearer {os.environ['ATTHENE_API_KEY']}"},
        ).json()
        ends = datetime.datetime.fromisoformat(token["expires_at"])
        return AccessToken(token["access_token"], int(ends.timestamp()))

graph = GraphServiceClient(Atthene())`,
    },
    {
      id: 'javascript',
      language: 'JavaScript',
      code: `const answer = await fetch("${base}/graph/${READS[toolkit]}", {
  headers: { Authorization: \`Bearer \${process.env.ATTHENE_API_KEY}\` },
});
console.log((await answer.json()).value);`,
    },
  ]
}
