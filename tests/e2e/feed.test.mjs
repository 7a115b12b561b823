// SPDX-License-Identifier: GPL-3.0-or-later
// One authority and five gateways that follow its revocations, each a process with certificates of its own. Between them stands a proxy, which can
// cut one of them off.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import { after, before, test } from 'node:test'
import { Client, plain } from './lib/client.mjs'
import { nothingReaches, refused } from './lib/expect.mjs'
import { port, sanitised, sleep, until } from './lib/files.mjs'
import { SCOPES, World } from './lib/gateway.mjs'
import { command, dumpLogs, must } from './lib/program.mjs'
import { boundToKey, newProofKey } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const GATEWAYS = 5
const CUT = 'cut.localhost' // the name by which the last gateway asks for the authority: the proxy reads it in the ClientHello
const MAX_STALE = 6000
const SOON = sanitised ? 6000 : 2000
const STALE = { status: 503, code: 'revocation_stale' }
let base, authority, gateways, shard, store, proxy

// Hands connections on to the authority, but for those of the gateway that is cut off.
class Proxy {
  static async start(at, to) {
    const self = Object.assign(new Proxy(), { cut: false, pairs: new Set() })
    self.server = net.createServer(socket => self.take(socket, to))
    await new Promise(resolve => self.server.listen(at, '127.0.0.1', resolve))
    return self
  }

  take(socket, to) {
    socket.on('error', () => {}).once('data', hello => {
      const marked = hello.includes(CUT)
      if (marked && this.cut) return socket.destroy()
      const other = net.connect(to, '127.0.0.1', () => other.write(hello))
      const pair = { socket, other, marked }
      this.pairs.add(pair)
      for (const [a, b] of [[socket, other], [other, socket]]) a.on('error', () => {}).on('close', () => { b.destroy(); this.pairs.delete(pair) })
      socket.pipe(other)
      other.pipe(socket)
    })
  }

  sever() {
    this.cut = true
    for (const pair of this.pairs) if (pair.marked) pair.socket.destroy()
  }

  mend() { this.cut = false }

  stop() {
    for (const pair of this.pairs) pair.socket.destroy()
    this.server.close()
  }
}

function sibling(name, change) {
  const w = Object.assign(new World(), base, { clients: [], process: undefined }, change)
  w.audit = base.at(`${name}.audit.jsonl`)
  w.file = base.at(`${name}.yaml`)
  return w
}

async function makeAuthority() {
  const [front, back] = [await port(), await port()]
  const server = base.ca.issue('authority', { dns: ['localhost', CUT] })
  authority = sibling('authority', { port: front, operations: await port() })
  store = base.at('revoked.db')
  fs.mkdirSync(base.at('state'), { mode: 0o700 })
  fs.writeFileSync(base.at('passphrase'), 'a long passphrase of the test\n', { mode: 0o600 })
  fs.writeFileSync(base.at('issue.cedar'), 'permit (principal, action == Action::"token:issue", resource);\n')
  authority.config = {
    trust_domains: base.config.trust_domains,
    authority: {
      issuer: `https://localhost:${front}`,
      addresses: [`127.0.0.1:${back}`],
      tls: { certificate: server.cert, key: server.key },
      state: base.at('state'),
      signing: { passphrase_file: base.at('passphrase') },
      audiences: ['sallyport'],
      policy: { files: [base.at('issue.cedar')] },
      feed: true,
      followers: ['spiffe://example.org/gateway/*'],
      revokers: ['spiffe://example.org/security/*']
    },
    revocations: { store },
    audit: { file: authority.audit, interval: '10ms' },
    operations: { listen: `127.0.0.1:${authority.operations}` }
  }
  authority.save()
  proxy = await Proxy.start(front, back)
  await authority.start()
  const asker = new Client(authority, base.ca.issue('asker'))
  fs.writeFileSync(base.at('authority.jwks.json'), (await asker.get('/oauth2/jwks')).text)
  asker.close()
}

async function makeGateway(i) {
  const who = base.ca.issue(`gateway/node-${i}`, { dns: ['localhost'] })
  const w = sibling(`gateway-${i}`, { port: await port(), operations: await port(), server: who })
  const issuer = authority.config.authority.issuer
  w.config = structuredClone(base.config)
  w.config.listener.addresses = [`127.0.0.1:${w.port}`]
  w.config.listener.authorities = [`localhost:${w.port}`]
  w.config.listener.tls = { certificate: who.cert, key: who.key }
  w.config.loops = i === 0 ? 3 : 1
  w.config.issuers.push({
    name: 'authority', issuer, jwks: base.at('authority.jwks.json'), audiences: ['sallyport'], binding: 'either', scopes: { ...SCOPES },
    asserts: { trust_domains: ['example.org'] }
  })
  w.config.revocations = {
    feed: {
      url: `${issuer}/revocations`, issuer: 'authority', max_stale: `${MAX_STALE}ms`,
      tls: { ca: base.ca.bundle, certificate: who.cert, key: who.key, ...(i === GATEWAYS - 1 && { server_name: CUT }) }
    }
  }
  w.config.audit.file = w.audit
  w.config.operations.listen = `127.0.0.1:${w.operations}`
  w.save()
  return w
}

before(async () => {
  shard = await Upstream.start()
  base = await World.make('feed', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }] })
  await makeAuthority()
  gateways = []
  for (let i = 0; i < GATEWAYS; i++) gateways.push(await makeGateway(i))
  // The last one cannot reach the authority yet.
  proxy.sever()
  await Promise.all(gateways.map(w => w.start()))
  await Promise.all(gateways.slice(0, -1).map(w => ready(w)))
})

after(async () => {
  dumpLogs(authority?.process, ...(gateways ?? []).map(w => w.process))
  for (const w of gateways ?? []) await w.stop()
  await authority?.stop()
  proxy?.stop()
  await shard?.stop()
})

const revoke = (...args) => command('token', 'revoke', '--store', store, ...args)
const readyz = w => plain(w.operations, '/readyz')
const ready = (w, ms = 10000) => until('a fresh feed', async () => (await readyz(w)).status === 200, ms)
const sequence = async w => (await w.metrics()).sallyport_revocation_feed_sequence
const resets = async w => (await w.metrics()).sallyport_revocation_feed_resets_total

// One workload with one token, and a client of it for each gateway.
async function everywhere(name) {
  const who = base.ca.issue(name)
  const keys = await newProofKey()
  const claims = { jti: name, client_id: name }
  const token = await base.issuer.mint({ workload: who.id, cnf: await boundToKey(keys), claims })
  const clients = gateways.map(w => new Client(w, who, { token, keys }))
  for (const [i, w] of gateways.entries()) w.clients.push(clients[i])
  return clients
}

const allowed = async c => assert.equal((await c.get(DOCS)).status, 200)

async function refusedSoon(clients, expected = { status: 401, code: 'token_revoked' }, from = Date.now()) {
  const took = await Promise.all(clients.map(async c => {
    refused(await until('the refusal', async () => {
      const answer = await c.get(DOCS)
      return answer.status !== 200 && answer
    }, 10000), expected)
    return Date.now() - from
  }))
  assert.ok(Math.max(...took) < SOON, `it took ${took} ms`)
  return took
}

test('before the first whole set was heard nothing is decided, and /readyz says so', async () => {
  const clients = await everywhere('early')
  const last = gateways.at(-1)
  refused(await nothingReaches(shard, () => clients.at(-1).get(DOCS)), STALE)
  const answer = await readyz(last)
  assert.equal(answer.status, 503)
  assert.match(answer.text, /the revocation feed was not heard yet: /)
  assert.equal((await last.metrics()).sallyport_ready, 0)
  proxy.mend()
  await ready(last)
  for (const c of clients) await allowed(c)
})

test('what is revoked at the authority is refused by all five within 2 s, on cached tokens and a running answer', async t => {
  const clients = await everywhere('stolen')
  const bystanders = await everywhere('bystander')
  for (const c of [...clients, ...bystanders, ...clients]) await allowed(c)
  shard.answer = (request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n')
    const timer = setInterval(() => socket.write('1\r\nx\r\n'), 50)
    socket.once('close', () => clearInterval(timer))
  }
  const stream = {}
  await clients[0].with({}).get(DOCS, { onResponse: response => {
    stream.bytes = 0
    response.on('data', data => { stream.bytes += data.length }).on('error', () => {}).on('close', () => { stream.over = Date.now() })
  } })
  shard.answer = undefined
  await until('the first bytes', () => stream.bytes > 0)
  revoke('--jti', 'stolen', '--issuer', base.issuer.iss, '--reason', 'found in a log')
  const from = Date.now()
  const took = await refusedSoon(clients, undefined, from)
  await until('the end of the stream', () => stream.over)
  assert.ok(stream.over - from < SOON, `the stream went on for ${stream.over - from} ms`)
  t.diagnostic(`in force after ${took} ms, the stream cut after ${stream.over - from} ms`)
  for (const c of clients) refused(await nothingReaches(shard, () => c.get(DOCS)), { status: 401, code: 'token_revoked' })
  for (const c of bystanders) await allowed(c)
})

test('a certificate revoked by its serial number is refused everywhere, and what is lifted is good again', async () => {
  const clients = await everywhere('leaver')
  for (const c of clients) await allowed(c)
  revoke('--workload', base.ca.id('leaver'))
  await refusedSoon(clients, { status: 403, code: 'certificate_revoked' })
  revoke('--workload', base.ca.id('leaver'), '--lift')
  for (const c of clients) await until('the lift', async () => (await c.get(DOCS)).status === 200, SOON)
})

test('who is no follower hears nothing, who is no revoker revokes nothing', async () => {
  const open = name => new Client(authority, base.ca.issue(name))
  const [stranger, node, revoker] = [open('stranger'), open('gateway/node-x'), open('security/response')]
  const question = '/revocations?nonce=0000000000000001&wait=0'
  const body = jti => JSON.stringify({ revocations: [{ jti, issuer: base.issuer.iss }] })
  assert.equal((await stranger.get(question)).status, 403)
  assert.equal((await revoker.get(question)).status, 403)
  const batch = await node.get(question)
  assert.deepEqual([batch.status, batch.headers['content-type']], [200, 'application/jwt'])
  const clients = await everywhere('posted')
  for (const c of [stranger, node]) assert.equal((await c.post('/revocations', body('posted'))).status, 403)
  await allowed(clients[0])
  const answer = await revoker.post('/revocations', body('posted'))
  assert.equal(answer.status, 200, answer.text)
  assert.equal(answer.json.revoked, 1)
  await refusedSoon(clients)
  for (const w of gateways) assert.equal(await sequence(w), answer.json.sequence)
  const record = await authority.record(answer.headers['x-request-id'])
  assert.deepEqual([record.workload, record.jti], [revoker.who.id, 'posted'])
  for (const c of [stranger, node, revoker]) c.close()
})

test('a gateway that is cut off refuses everything after max_stale and says so; the others go on; it catches up', async () => {
  const [clients, bystanders] = [await everywhere('while-cut'), await everywhere('bystander-of-the-cut')]
  const last = gateways.at(-1)
  for (const c of [...clients, ...bystanders]) await allowed(c)
  proxy.sever()
  const from = Date.now()
  revoke('--jti', 'while-cut')
  await refusedSoon(clients.slice(0, -1))
  const answer = await until('the refusal', async () => {
    const a = await bystanders.at(-1).get(DOCS)
    return a.status !== 200 && a
  }, 2 * MAX_STALE)
  refused(answer, STALE)
  // It was heard within the last long poll of a third of max_stale, and batches tell their time in whole seconds.
  const took = Date.now() - from
  assert.ok(took > MAX_STALE / 2 && took < MAX_STALE + SOON, `it took ${took} ms`)
  refused(await nothingReaches(shard, () => clients.at(-1).get(DOCS)), STALE)
  const page = await readyz(last)
  assert.equal(page.status, 503)
  assert.match(page.text, /the revocation feed was last heard longer than max_stale ago/)
  const metrics = await last.metrics()
  assert.ok(metrics.sallyport_revocation_feed_age_seconds * 1000 >= MAX_STALE)
  assert.ok(metrics['sallyport_revocation_feed_batches_total{result="failed"}'] > 0)
  for (const c of bystanders.slice(0, -1)) await allowed(c)
  for (const w of gateways.slice(0, -1)) assert.equal((await readyz(w)).status, 200)
  proxy.mend()
  await ready(last)
  await allowed(bystanders.at(-1))
  refused(await clients.at(-1).get(DOCS), { status: 401, code: 'token_revoked' })
  assert.equal(await sequence(last), await sequence(gateways[0]))
})

test('an authority that is killed has lost nothing that it confirmed, and its followers keep the order', async () => {
  const revoker = () => new Client(authority, base.ca.issue('security/response'))
  const before = await Promise.all(gateways.map(resets))
  const confirmed = []
  for (let round = 0; round < 3; round++) {
    const c = revoker()
    let alive = true
    const killed = sleep(150 + 100 * round).then(() => authority.process.kill('SIGKILL')).then(() => { alive = false })
    for (let i = 0; alive; i++) {
      const jti = `kill-${round}-${i}`
      const answer = await c.post('/revocations', JSON.stringify({ revocations: [{ jti }] })).catch(() => undefined)
      if (answer?.status === 200) confirmed.push({ jti, sequence: answer.json.sequence })
    }
    await killed
    c.close()
    await authority.process.ended
    // While it is down, the command line still revokes.
    revoke('--jti', `down-${round}`)
    confirmed.push({ jti: `down-${round}` })
    await authority.start()
  }
  const numbered = confirmed.filter(r => r.sequence)
  assert.ok(numbered.length > 3, 'nothing was confirmed')
  for (let i = 1; i < numbered.length; i++) assert.ok(numbered[i].sequence > numbered[i - 1].sequence, 'the order was lost')
  const listed = JSON.parse(command('token', 'revoked', '--store', store, '--json'))
  const known = new Set((listed.revocations ?? listed).map(r => r.jti ?? r.value))
  for (const r of confirmed) assert.ok(known.has(r.jti), `${r.jti} was confirmed and is lost`)
  const who = await everywhere('after-the-kill')
  revoke('--jti', 'after-the-kill')
  await Promise.all(gateways.map(w => ready(w)))
  await until('all gateways to be up to date', async () => {
    const all = await Promise.all(gateways.map(sequence))
    return all.every(n => n === all[0] && n >= numbered.at(-1).sequence + 1)
  })
  await refusedSoon(who)
  assert.deepEqual(await Promise.all(gateways.map(resets)), before, 'nobody had to begin again')
})

test('a registry that was put back from a backup is noticed, and taken whole by everybody', async () => {
  const [kept, lost] = [await everywhere('before-the-backup'), await everywhere('after-the-backup')]
  const before = await Promise.all(gateways.map(resets))
  revoke('--jti', 'before-the-backup')
  await refusedSoon(kept)
  must('python3', ['-c', 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("VACUUM INTO ?", (sys.argv[2],))', store, base.at('backup.db')])
  revoke('--jti', 'after-the-backup')
  await refusedSoon(lost)
  for (const end of ['-wal', '-shm']) fs.rmSync(store + end, { force: true })
  fs.renameSync(base.at('backup.db'), store)
  for (const c of lost) await until('the older registry', async () => (await c.get(DOCS)).status === 200, 2 * SOON)
  for (const c of kept) refused(await c.get(DOCS), { status: 401, code: 'token_revoked' })
  for (const [i, w] of gateways.entries()) assert.equal(await resets(w), before[i] + 1)
})

test('a reload goes on with the feed, leaves it, and begins it anew, and nobody is refused for it', async () => {
  const clients = await everywhere('through-reloads')
  const [w, c] = [gateways[1], clients[1]]
  const feed = w.config.revocations.feed
  const before = await resets(w)
  let over = false
  const load = (async () => { while (!over) await allowed(c) })()
  for (const max of ['9s', `${MAX_STALE}ms`]) {
    w.config.revocations = { feed: { ...feed, max_stale: max } }
    w.save()
    assert.equal(await w.reload(), true)
    await ready(w)
  }
  assert.equal(await resets(w), before, 'the same feed goes on where it was')
  w.config.revocations = { grace: '5s' }
  w.save()
  assert.equal(await w.reload(), true)
  assert.equal(await sequence(w), undefined)
  w.config.revocations = { feed }
  w.save()
  assert.equal(await w.reload(), true)
  await until('the whole set', async () => await resets(w) === 1)
  over = true
  await load
  revoke('--jti', 'through-reloads')
  await refusedSoon(clients)
})
