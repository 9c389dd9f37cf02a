"""The client of FastMCP. ERA http URL, or ERA stdio COMMAND URL; ERA is auto, legacy or a revision."""

import asyncio
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

from driver import drive, result

ERA, WAY, *WHERE = sys.argv[1:]
KEY = os.environ["ATTHENE_API_KEY"]


def server():
    if WAY == "stdio":
        command, url = WHERE
        return StdioTransport(command, ["mcp", "--url", url], env={"ATTHENE_API_KEY": KEY}, keep_alive=False)
    return StreamableHttpTransport(WHERE[0], headers={"Authorization": f"Bearer {KEY}"})


async def main():
    async with Client(server(), mode=ERA) as client:

        async def tools():
            return [tool.name for tool in await client.list_tools()]

        async def call(name, arguments):
            got = await client.call_tool(name, arguments, raise_on_error=False)
            return result(got.is_error, [part.text for part in got.content], got.structured_content)

        await drive(client.protocol_version, tools, call)


asyncio.run(main())
