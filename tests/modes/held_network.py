"""A program in local mode whose every connection and name look-up is counted, and refused beyond loopback.

Its first argument is "embedded", or the address of a node.
"""

import asyncio
import json
import sys

import httpx2

HELLO = [{"role": "user", "content": "a secret question"}]
counted = {"here": 0, "away": []}


def hold(event, args):
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = args[1]
        if isinstance(address, tuple):
            note(address[0])
    elif event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}:
        note(args[0])


def note(host):
    host = host.decode() if isinstance(host, bytes) else host
    if host is None or host in {"localhost", "::1"} or host.startswith("127."):
        counted["here"] += 1
        return
    counted["away"].append(host)
    raise PermissionError(f"{host} is not this machine")


sys.addaudithook(hold)


async def elsewhere(client):
    copy = client.with_options(base_url="https://elsewhere.example/v1", api_key="k")
    await copy.chat.completions.create(messages=HELLO, model=client.default_model)


async def moved(client):
    copy = client.copy()
    copy.base_url = "https://elsewhere.example/v1"
    await copy.chat.completions.create(messages=HELLO)


async def moved_without_policies(client):
    copy = client.copy()
    copy.base_url = "https://elsewhere.example/v1"
    await copy.models.list()


async def absolute(client):
    await client.get("https://elsewhere.example/v1/models", cast_to=object)


async def posted(client):
    body = {"model": client.default_model, "messages": HELLO}
    await client.post("https://elsewhere.example/v1/chat/completions", cast_to=object, body=body)


async def another_http_client(client):
    copy = client.with_options(http_client=httpx2.AsyncClient())
    await copy.get("https://elsewhere.example/v1/models", cast_to=object)


async def unknown(client):
    await client.chat.completions.create(messages=HELLO, model="gpt-4")


async def main(node_url):
    import agents
    from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, RunConfig, Runner

    from hanzo_agents import AsyncHanzo, Hanzo

    client = AsyncHanzo(inference_mode="local", node_url=node_url, fallback_on_error=False)
    ask = client.chat.completions.create
    said = [(await ask(messages=HELLO, max_tokens=4)).provider]
    async for chunk in await ask(messages=HELLO, max_tokens=4, stream=True):
        last = chunk
    said.append(last.provider)
    said.append((await client.responses.create(input="a secret question", max_output_tokens=16)).provider)
    for refused in (elsewhere, moved, moved_without_policies, absolute, posted, another_http_client, unknown):
        try:
            await refused(client)
        except client.errors.ConfigError:
            said.append("refused")
    with Hanzo(inference_mode="local", node_url=node_url) as sync:
        reply = await asyncio.to_thread(sync.chat.completions.create, messages=HELLO, max_tokens=4)
        said.append(reply.provider)
    listed = [one.id for one in await client.models.list(provider="local")]
    # The Agents SDK would send its traces to OpenAI: it has a key for it.
    agent = Agent(
        name="A",
        model=OpenAIChatCompletionsModel(client.default_model, client),
        model_settings=ModelSettings(max_tokens=4),
    )
    await Runner.run(agent, "a secret question", run_config=RunConfig())
    agents.flush_traces() if hasattr(agents, "flush_traces") else None
    agents.tracing.get_trace_provider().shutdown()
    await client.close()
    sys.stdout.write(json.dumps({"said": said, "models": listed, **counted}))


asyncio.run(main(None if sys.argv[1] == "embedded" else sys.argv[1]))
