// SPDX-License-Identifier: GPL-3.0-or-later
// A client twice: past the gateway and through it, each at a shard that writes down what reaches it. What the gateway serves arrives as
// one request, the one that the client sends without it; of what it refuses nothing arrives.
import assert from 'node:assert/strict'
import { startAgent } from './agent.mjs'
import { World } from './gateway.mjs'
import { dumpLogs } from './program.mjs'
import { Upstream } from './upstream.mjs'

export class Recorded {
  // `client` makes one for a URL. Policies are for the workload `rag`.
  async start(name, { api, policies, client }) {
    this.shard = await Upstream.start()
    this.direct = await Upstream.start()
    this.w = await World.make(name, { shards: [{ name: 'one', api, endpoints: [this.shard.url] }], routes: [{ shard: 'one' }], policies })
    await this.w.start()
    this.agent = await startAgent(await this.w.workload('rag'))
    this.through = client(this.agent.url)
    this.plain = client(this.direct.url)
  }

  async stop() {
    dumpLogs(this.w?.process)
    await this.agent?.stop()
    await this.w?.stop()
    await Promise.all([this.shard?.stop(), this.direct?.stop()])
  }

  // What the client makes of the answer is its own affair; but an answer of the gateway's own is not one of the shard's.
  async call(client, method, args) {
    try {
      await client[method](...structuredClone(args))
    } catch (error) {
      if (error.status) return error
    }
  }

  async arrives(method, args) {
    const [there, here] = [this.shard.requests.length, this.direct.requests.length]
    await this.call(this.plain, method, args)
    const refused = await this.call(this.through, method, args)
    assert.equal(this.direct.requests.length, here + 1)
    assert.equal(refused, undefined, refused && `${refused.status} ${refused.message} ${JSON.stringify(refused.data)}`)
    assert.equal(this.shard.requests.length, there + 1)
    assert.deepEqual(meaning(this.shard.last), meaning(this.direct.last))
  }

  async refuses(method, args) {
    const there = this.shard.requests.length
    const refused = await this.call(this.through, method, args)
    assert.equal(refused?.status, 403)
    assert.equal(this.shard.requests.length, there)
  }
}

// Parameters in any order.
const meaning = request => {
  const url = new URL(request.path, 'http://shard')
  url.searchParams.sort()
  return { method: request.method, path: url.pathname, query: `${url.searchParams}`, body: request.body.length ? JSON.parse(request.body) : undefined }
}

// Methods of a client that no table has, looked for in all that it is made of.
export function undecided(client, ...tables) {
  const known = new Set(tables.flatMap(table => Array.isArray(table) ? table : Object.keys(table)))
  const methods = []
  for (let p = Object.getPrototypeOf(client); p !== Object.prototype; p = Object.getPrototypeOf(p))
    methods.push(...Object.getOwnPropertyNames(p).filter(name => typeof Object.getOwnPropertyDescriptor(p, name).value === 'function'))
  return methods.filter(name => !known.has(name) && !name.startsWith('_'))
}
