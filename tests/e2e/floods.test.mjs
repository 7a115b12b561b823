// SPDX-License-Identifier: GPL-3.0-or-later
// Floods of what does not hold: proofs, tokens, handshakes. Whoever sends them is turned away before much is spent on him, says so in the record, and is
// heard again when he has stopped; everybody else is served all the while.
import assert from 'node:assert/strict'
import net from 'node:net'
import tls from 'node:tls'
import { after, before, test } from 'node:test'
import { Authority } from './lib/ca.mjs'
import { sleep, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const FAILURES = { requests: { rate: '5/s', burst: 30 }, handshakes: { rate: '5/s', burst: 30 }, open_handshakes: 40, shared_addresses: [] }
const PATH = '/collections/docs'
let w, shard, innocent, other

before(async () => {
  shard = await Upstream.start()
  w = await World.make('floods', {
    shards: [{ name: 'recorder', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'recorder' }],
    change: { limits: { failures: FAILURES }, listener: { timeouts: { handshake: '20s' } } }
  })
  other = new Authority(w.at('.'), 'elsewhere.org')
  await w.start()
  innocent = await w.workload('innocent')
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

// Somebody else's requests succeed, on a kept connection and on new ones, as long as `what` goes on.
async function meanwhile(what) {
  let over = false, n = 0
  const served = async client => {
    const answer = await client.get(PATH)
    assert.equal(answer.status, 200, answer.text)
    n++
  }
  const others = (async () => { while (!over) { await served(innocent); await sleep(5) } })()
  const newcomers = (async () => {
    while (!over) {
      const c = innocent.with({})
      await served(c)
      c.close()
      await sleep(20)
    }
  })()
  try {
    await Promise.race([what(), others, newcomers])
  } finally {
    over = true
  }
  await Promise.all([others, newcomers])
  assert.ok(n > 0)
}

const refusals = async reason => (await w.metrics())[`sallyport_refusals_total{reason="${reason}"}`] ?? 0
const spoil = (jws, i) => `${jws.slice(0, -40)}${String(i).padStart(16, '0')}${jws.slice(-24)}`

// So many requests over a few connections, each until it is told to stay away. → how often each status came
async function attack(name, spoilt) {
  const attacker = await w.workload(name, { sockets: 4 })
  const got = {}
  const deadline = Date.now() + 15000
  let n = 0
  await meanwhile(() => Promise.all(Array.from({ length: 4 }, async () => {
    while (!(got[429] >= 4) && Date.now() < deadline) {
      const answer = await attacker.get(PATH, { headers: await spoilt(attacker, n++) })
      got[answer.status] = (got[answer.status] ?? 0) + 1
      if (answer.status !== 429) continue
      assert.equal(answer.json.code, 'too_many_failures')
      assert.ok(Number(answer.headers['retry-after']) >= 1)
    }
  })))
  return { attacker, got, seconds: (Date.now() - deadline + 15000) / 1000 }
}

for (const [what, reason, spoilt] of [
  ['proofs', 'PROOF_SIGNATURE', async (c, i) => ({ dpop: spoil(await c.proof('GET', PATH), i) })],
  ['tokens', 'TOKEN_SIGNATURE', async (c, i) => {
    const token = spoil(c.token, i)
    return { authorization: `DPoP ${token}`, dpop: await c.proof('GET', PATH, { token }) }
  }]
]) {
  test(`bad ${what} of a workload: it gets 429 before they are looked at, others are served, and it is heard again`, async t => {
    const before = await refusals('FAILING')
    const { attacker, got, seconds } = await attack(`bad-${what}`, spoilt)
    t.diagnostic(`${JSON.stringify(got)} in ${seconds} s`)
    assert.ok(got[429] >= 4, 'it was turned away')
    assert.ok(got[401] <= 30 + 5 * (seconds + 1), 'no more were looked at than the bucket holds')
    assert.deepEqual(Object.keys(got).sort(), ['401', '429'])
    assert.ok(await refusals('FAILING') >= before + got[429])
    const records = w.records().filter(r => r.workload?.spiffe_id?.endsWith(`/bad-${what}`) || JSON.stringify(r).includes(`/bad-${what}`))
    assert.ok(records.some(r => JSON.stringify(r).includes('"FAILING"')) && records.some(r => JSON.stringify(r).includes(`"${reason}"`)))
    // What it sends otherwise holds.
    await until('it to be heard', async () => (await attacker.get(PATH)).status === 200, 20000)
  })
}

const FROM = { garbage: '127.0.0.2', aborted: '127.0.0.3', stranger: '127.0.0.4', open: '127.0.0.5' }
const gone = socket => new Promise(resolve => socket.on('close', resolve).on('error', () => {}).resume())

const bad = {
  async garbage() {
    const socket = net.connect({ port: w.port, host: '127.0.0.1', localAddress: FROM.garbage })
    socket.end('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await gone(socket)
  },
  // When the server has made its first flight, which costs it a signature: it is not the one that was looked for.
  async aborted() {
    const socket = tls.connect({ port: w.port, host: '127.0.0.1', localAddress: FROM.aborted, servername: 'localhost', ca: other.bundlePem, cert: innocent.who.certPem, key: innocent.who.keyPem })
    await gone(socket)
  },
  async stranger() {
    const who = bad.who ??= other.issue('stranger')
    await gone(tls.connect({ port: w.port, host: '127.0.0.1', localAddress: FROM.stranger, servername: 'localhost', ca: w.bundle, cert: who.certPem, key: who.keyPem }))
  }
}

for (const kind of ['garbage', 'aborted', 'stranger']) {
  test(`bad handshakes (${kind}): their address is turned away, others come in, and so does it when it has stopped`, async t => {
    const before = await refusals('FAILING_SOURCE')
    const deadline = Date.now() + 20000
    let n = 0
    await meanwhile(async () => {
      // There is one record a second of whoever is turned away.
      const told = () => w.records().some(r => JSON.stringify(r).includes('FAILING_SOURCE') && JSON.stringify(r).includes(FROM[kind]))
      for (; !(await refusals('FAILING_SOURCE') >= before + 5 && told()) && Date.now() < deadline; n += 8)
        await Promise.all(Array.from({ length: 8 }, bad[kind]))
    })
    t.diagnostic(`${n} connections`)
    assert.ok(Date.now() < deadline, 'it was told of in time')
    assert.ok(await refusals('FAILING_SOURCE') >= before + 5, 'it was turned away')
    await until('it to be let in', async () => {
      const client = innocent.with({ tls: { localAddress: FROM[kind] } })
      return client.get(PATH).then(r => r.status === 200, () => false).finally(() => client.close())
    }, 20000)
  })
}

test('handshakes that are begun and left: an address has so many under way and no more, and others come in', async () => {
  const before = await refusals('FAILING_SOURCE')
  const list = Array.from({ length: 100 }, () => {
    const socket = net.connect({ port: w.port, host: '127.0.0.1', localAddress: FROM.open })
    socket.on('error', () => {}).on('close', () => { socket.over = true })
    return socket
  })
  await meanwhile(() => until('those over the bound to be closed', () => list.filter(s => s.over).length >= 100 - 42, 15000))
  assert.ok(list.filter(s => !s.over).length >= 20, 'those under it are not')
  assert.ok(await refusals('FAILING_SOURCE') >= before + 100 - 42)
  for (const s of list) s.destroy()
  await until('the address to be let in', async () => {
    const client = innocent.with({ tls: { localAddress: FROM.open } })
    return client.get(PATH).then(r => r.status === 200, () => false).finally(() => client.close())
  }, 20000)
})
