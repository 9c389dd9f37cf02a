import { PLACEHOLDER } from '../../lib/parts/placeholder'
import { text } from '../../lib/text/en'

/** How long an agent waits for one answer: a call that a person has to allow takes up to a minute. */
const PATIENCE_SECONDS = 90

/** What each agent wants to be told, with the real address. Where it can, it keeps the variable's name, not the key. */
export function agentEntries(gateway: string) {
  const url = `${gateway}/mcp`
  const { notes } = text.tools.agents
  return [
    {
      id: 'claude-code',
      language: 'Claude Code',
      note: notes.claudeCode,
      // One line, for every shell. In single quotes: else the shell would put the key itself into the file.
      code: `claude mcp add --transport http atthene ${url} --header 'Authorization: Bearer \${ATTHENE_API_KEY}'`,
    },
    {
      id: 'vscode',
      language: 'VS Code',
      note: notes.vscode,
      code: `{
  "inputs": [
    { "type": "promptString", "id": "atthene-api-key", "description": "${notes.vscodeAsks}", "password": true }
  ],
  "servers": {
    "atthene": {
      "type": "http",
      "url": "${url}",
      "headers": { "Authorization": "Bearer \${input:atthene-api-key}" }
    }
  }
}`,
    },
    {
      id: 'cursor',
      language: 'Cursor',
      note: notes.cursor,
      code: `{
  "mcpServers": {
    "atthene": {
      "url": "${url}",
      "headers": { "Authorization": "Bearer \${env:ATTHENE_API_KEY}" }
    }
  }
}`,
    },
    {
      id: 'codex',
      language: 'Codex',
      note: notes.codex,
      code: `[mcp_servers.atthene]
url = "${url}"
bearer_token_env_var = "ATTHENE_API_KEY"
tool_timeout_sec = ${PATIENCE_SECONDS}`,
    },
    {
      id: 'claude-desktop',
      language: 'Claude Desktop',
      note: notes.claudeDesktop,
      // It reaches no address of this machine itself, and fills in no variables.
      code: `{
  "mcpServers": {
    "atthene": {
      "command": "atthene",
      "args": ["mcp", "--url", "${url}"],
      "env": { "ATTHENE_API_KEY": "${PLACEHOLDER}" }
    }
  }
}`,
    },
    {
      id: 'agents-sdk',
      language: 'Python',
      note: notes.python,
      code: `import asyncio, os
from agents import Agent, Runner
from agents.mcp import MCPServerStreamableHttp

server = {
    "url": "${url}",
    "headers": {"Authorization": f"Bearer {os.environ['ATTHENE_API_KEY']}"},
}

async def main():
    async with MCPServerStreamableHttp(server, client_session_timeout_seconds=${PATIENCE_SECONDS}) as atthene:
        agent = Agent(name="Assistant", mcp_servers=[atthene])
        answer = await Runner.run(agent, "Which accounts are connected?")
        print(answer.final_output)

asyncio.run(main())`,
    },
  ]
}
