// SPDX-License-Identifier: GPL-3.0-or-later
// Where shards are: endpoints that move while requests flow, names that answer, fail and answer again, and collections that a new configuration would
// look for elsewhere.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, afterEach, before, test } from 'node:test'
import { replace, sallyport, sleep, until } from './lib/files.mjs'
import { NameServer } from './lib/dns.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs, runBeside } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const HOSTS = ['127.0.0.2', '127.0.0.3', '127.0.0.4']
const GONE = '127.0.0.9' // nobody listens there
let w, client, names, port, own
const at = {}            // by address: all on one port, as the pods of a service are
const secure = {}

before(async () => {
  names = await NameServer.start()
  for (const host of HOSTS) at[host] = await Upstream.start({ host, port }).then(u => { port = u.port; return u })
  names.zone['db.test A'] = [HOSTS[0]]
  names.zone['_db._tcp.test SRV'] = [{ target: 'a.test', port }]
  for (const [i, name] of ['a.test', 'b.test', 'c.test'].entries()) names.zone[`${name} A`] = [HOSTS[i]]
  names.zone['tls.test A'] = [HOSTS[0]]
  w = await World.make('shards', { shards: [{ name: 'none', api: 'qdrant', endpoints: ['http://127.0.0.1:1'] }], routes: [{ shard: 'none' }], loops: 2 })
  own = w.ca.issue('tls', { dns: ['tls.test'] })
  const stranger = w.ca.issue('stranger', { dns: ['other.test'] })
  secure.right = await Upstream.start({ host: HOSTS[0], tls: { cert: own.certPem, key: own.keyPem, requestCert: false } })
  secure.wrong = await Upstream.start({ host: HOSTS[1], port: secure.right.port, tls: { cert: stranger.certPem, key: stranger.keyPem, requestCert: false } })
  const servers = [names.address]
  const timeouts = { connect: '1500ms' }
  fs.writeFileSync(w.at('endpoints'), `# written by a test\n${HOSTS[0]}:${port}\n`)
  w.config.shards = [
    { name: 'named', api: 'qdrant', discover: { dns: `http://db.test:${port}`, servers }, timeouts },
    { name: 'service', api: 'qdrant', discover: { srv: 'http://_db._tcp.test', servers }, timeouts },
    { name: 'file', api: 'qdrant', discover: { file: w.at('endpoints'), scheme: 'http' }, timeouts },
    { name: 'unknown', api: 'qdrant', discover: { dns: 'http://nobody.test:80', servers }, timeouts },
    { name: 'tls', api: 'qdrant', discover: { dns: `https://tls.test:${secure.right.port}`, servers }, timeouts, tls: { ca: w.ca.bundle } }
  ]
  w.config.routes = w.config.shards.map(s => ({ collection: s.name, shard: s.name }))
  w.save()
  await w.start()
  client = await w.workload('shards')
})

afterEach(() => {
  names.mode = 'answer'
  for (const u of Object.values(at)) u.answer = undefined
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await Promise.all([...Object.values(at), ...Object.values(secure)].map(u => u.stop()))
  await names?.stop()
})

const get = shard => client.get(`/collections/${shard}`)
const known = async shard => (await w.metrics())[`sallyport_shard_endpoints{shard="${shard}"}`]
const asked = (shard, result) => w.metrics().then(m => m[`sallyport_shard_lookups_total{shard="${shard}",result="${result}"}`])
// Which of the servers answered `n` requests.
async function whereabouts(shard, n = 12) {
  const before = HOSTS.map(h => at[h].requests.length)
  for (let i = 0; i < n; i++) assert.equal((await get(shard)).status, 200)
  return HOSTS.filter((h, i) => at[h].requests.length > before[i])
}
const becomes = (shard, hosts) => until(`${shard} at ${hosts}`, async () => String(await whereabouts(shard)) === String(hosts), 15000)

test('the addresses of a name are followed, to more of them and to others', async () => {
  await becomes('named', [HOSTS[0]])
  assert.equal(at[HOSTS[0]].last.get('host'), `db.test:${port}`)
  names.zone['db.test A'] = HOSTS.slice(0, 2)
  await becomes('named', HOSTS.slice(0, 2))
  assert.equal(await known('named'), 2)
  names.zone['db.test A'] = [HOSTS[2]]
  await becomes('named', [HOSTS[2]])
  await until('the log to say so', () => /shard named: 1 endpoint: 127\.0\.0\.4:/.test(w.process.log))
})

test('a request under way is answered by the endpoint that is gone from the answer', async () => {
  names.zone['db.test A'] = [HOSTS[0]]
  await becomes('named', [HOSTS[0]])
  let release
  at[HOSTS[0]].answer = (r, socket) => {
    at[HOSTS[0]].answer = undefined
    release = () => socket.write(json('{"late":true}'))
  }
  const patient = await w.workload('patient') // on a connection of its own
  const slow = patient.get('/collections/named')
  await until('the request', () => release)
  names.zone['db.test A'] = [HOSTS[1]]
  await becomes('named', [HOSTS[1]])
  release()
  const answer = await slow
  assert.equal(answer.status, 200)
  assert.equal(answer.json.late, true)
})

for (const [mode, what] of [['broken', 'fails'], ['silent', 'does not answer'], ['garbage', 'answers garbage']])
  test(`a name server that ${what} takes nothing away`, async () => {
    names.zone['db.test A'] = [HOSTS[0]]
    await becomes('named', [HOSTS[0]])
    const before = await asked('named', 'failed')
    names.mode = mode
    await until('a failed look-up', async () => await asked('named', 'failed') > before, 20000)
    assert.deepEqual(await whereabouts('named'), [HOSTS[0]])
    assert.equal(await known('named'), 1)
    await until('the log to say so', () => /shard named: db\.test: .*; the endpoints found before \(1\) stay/.test(w.process.log))
    names.mode = 'answer'
    names.zone['db.test A'] = [HOSTS[1]]
    await becomes('named', [HOSTS[1]])
  })

test('a name that has no address any more keeps those it had', async () => {
  names.zone['db.test A'] = [HOSTS[0]]
  await becomes('named', [HOSTS[0]])
  const before = await asked('named', 'failed')
  names.zone['db.test A'] = []
  await until('a failed look-up', async () => await asked('named', 'failed') > before, 15000)
  delete names.zone['db.test A']
  await until('another', async () => await asked('named', 'failed') > before + 1, 15000)
  assert.deepEqual(await whereabouts('named'), [HOSTS[0]])
})

test('an address at which nobody listens costs no request', async () => {
  names.zone['db.test A'] = [HOSTS[0], GONE]
  await until('both', async () => await known('named') === 2, 15000)
  assert.deepEqual(await whereabouts('named', 20), [HOSTS[0]])
})

test('a service is followed to its records, with their ports and names, the most preferred first', async () => {
  await becomes('service', [HOSTS[0]])
  assert.equal(at[HOSTS[0]].last.get('host'), `a.test:${port}`)
  names.zone['_db._tcp.test SRV'] = [{ target: 'a.test', port }, { target: 'b.test', port }, { target: 'c.test', port, priority: 10 }]
  await becomes('service', HOSTS.slice(0, 2))
  names.zone['_db._tcp.test SRV'] = [{ target: 'nowhere.test', port }, { target: 'c.test', port, priority: 10 }]
  await becomes('service', [HOSTS[2]])
  const before = await asked('service', 'failed')
  names.zone['_db._tcp.test SRV'] = [{ target: '.', port: 0 }] // "decidedly not available" (RFC 2782)
  await until('a failed look-up', async () => await asked('service', 'failed') > before, 15000)
  assert.deepEqual(await whereabouts('service'), [HOSTS[2]])
})

test('a name that cannot be found is 503 in time, not a hang', async () => {
  const begun = Date.now()
  const answer = await get('unknown')
  assert.equal(answer.status, 503)
  assert.ok(answer.headers['retry-after'])
  assert.ok(Date.now() - begun < 5000)
  assert.equal(await known('unknown'), 0)
  await until('the log to say so', () => /shard unknown: nobody\.test: .*; it has no endpoint yet/.test(w.process.log))
})

test('whoever answers for a name must have a certificate for it', async () => {
  assert.equal((await get('tls')).status, 200)
  assert.equal(secure.right.last.get('host'), `tls.test:${secure.right.port}`)
  const before = secure.wrong.requests.length
  names.zone['tls.test A'] = [HOSTS[1]] // what a forger of DNS would say
  await until('the other address', () => /shard tls: 1 endpoint: 127\.0\.0\.3:/.test(w.process.log), 15000)
  const answer = await until('the other server', async () => (r => r.status !== 200 && r)(await get('tls')))
  assert.equal(answer.status, 502)
  assert.equal(secure.wrong.requests.length, before)
  names.zone['tls.test A'] = [HOSTS[0]]
  await until('the right one', async () => (await get('tls')).status === 200, 15000)
})

test('a file of endpoints is followed; what is wrong in it changes nothing', async () => {
  await becomes('file', [HOSTS[0]])
  replace(w.at('endpoints'), `${HOSTS[0]}:${port}\n\n  ${HOSTS[1]}:${port}  # and another\n`)
  await becomes('file', HOSTS.slice(0, 2))
  const generation = (await w.metrics()).sallyport_configuration_generation
  for (const [text, what] of [[`${HOSTS[2]}:${port}\nnonsense\n`, 'line 2: host:port is expected'], ['', 'it names no endpoint'], ['# nothing\n', 'it names no endpoint']]) {
    const before = await asked('file', 'failed')
    replace(w.at('endpoints'), text)
    await until('a refusal', async () => await asked('file', 'failed') > before)
    await until(what, () => w.process.log.includes(`${w.at('endpoints')}: ${what}; the endpoints found before (2) stay`))
    assert.deepEqual(await whereabouts('file'), HOSTS.slice(0, 2))
  }
  fs.rmSync(w.at('endpoints'))
  await until('the loss', () => w.process.log.includes('No such file'))
  assert.deepEqual(await whereabouts('file'), HOSTS.slice(0, 2))
  replace(w.at('endpoints'), `${HOSTS[2]}:${port}\n`)
  await becomes('file', [HOSTS[2]])
  assert.equal((await w.metrics()).sallyport_configuration_generation, generation) // nothing else was read again for it
})

test('a reload keeps what was found, also while nothing can be looked up', async () => {
  names.zone['db.test A'] = [HOSTS[0]]
  await becomes('named', [HOSTS[0]])
  names.mode = 'silent'
  w.config.log = { level: 'info' }
  w.save()
  assert.ok(await w.reload())
  assert.deepEqual(await whereabouts('named'), [HOSTS[0]])
})

test('no request fails while the endpoints change all the time', async () => {
  const end = Date.now() + 6000
  let n = 0
  const change = (async () => {
    for (let i = 0; Date.now() < end; i++) {
      names.zone['db.test A'] = [HOSTS[i % 3], HOSTS[(i + 1) % 3]]
      replace(w.at('endpoints'), `${HOSTS[i % 3]}:${port}\n`)
      await sleep(400)
    }
  })()
  const others = await Promise.all(['1', '2', '3'].map(i => w.workload(`busy-${i}`)))
  await Promise.all(others.map(async c => {
    for (; Date.now() < end; n += 2) {
      assert.equal((await c.get('/collections/named')).status, 200)
      assert.equal((await c.get('/collections/file')).status, 200)
    }
  }))
  await change
  assert.ok(n > 100, `${n} requests`)
})

// ------------------------------------------------------------------------------------------------ what a change would leave behind

// A Qdrant of a few collections, which insists on the gateway's credential.
async function qdrant(collections, options) {
  const u = await Upstream.start(options)
  u.collections = collections
  u.answer = r => r.get('api-key') !== 'shard-secret'
    ? json('{"status":{"error":"no key"}}', { status: '401 Unauthorized' })
    : json({ result: { collections: u.collections.map(name => ({ name })) }, status: 'ok', time: 0 })
  return u
}

const tell = args => runBeside(sallyport, args)
const NAMES = Array.from({ length: 40 }, (_, i) => `c${i}`)

test('route --moved asks the shards and names what has to move, and nothing else', async t => {
  const tls = { cert: own.certPem, key: own.keyPem, requestCert: false }
  const shards = await Promise.all([qdrant([]), qdrant([], { tls }), qdrant([])])
  t.after(() => Promise.all(shards.map(s => s.stop())))
  fs.writeFileSync(w.at('secret'), 'shard-secret\n')
  const credential = { header: 'api-key', file: w.at('secret') }
  const entry = (name, i) => ({ name, api: 'qdrant', endpoints: [shards[i].url], credential, ...(i === 1 && { tls: { ca: w.ca.bundle, server_name: 'tls.test' } }) })
  const write = (file, names, route) => w.save.call({ file: w.at(file) }, {
    ...w.config, shards: names.map((n, i) => entry(n, i)), routes: [{ collection: 'pinned', shard: 'a' }, route]
  })
  write('old.yaml', ['a', 'b'], { hash: ['a', 'b'] })
  write('new.yaml', ['a', 'b', 'c'], { hash: ['a', 'b', 'c'] })
  // Where each is, by the gateway's own word.
  const placed = async (file, name) => JSON.parse((await tell(['route', 'GET', `/collections/${name}`, '--config', w.at(file), '--json'])).out).shards[0]
  const where = {}
  for (const name of NAMES) where[name] = { from: await placed('old.yaml', name), to: await placed('new.yaml', name) }
  shards[0].collections = [...NAMES.filter(n => where[n].from === 'a'), 'pinned']
  shards[1].collections = [...NAMES.filter(n => where[n].from === 'b'), 'pinned'] // the second is a stray: nobody reaches it
  const expected = NAMES.filter(n => where[n].from !== where[n].to)
  assert.ok(expected.length > 0 && expected.length < 30, `${expected.length} of 40 move`)
  for (const n of expected) assert.equal(where[n].to, 'c') // and none among those that were there

  const told = await tell(['route', '--moved', w.at('old.yaml'), w.at('new.yaml'), '--json'])
  assert.equal(told.status, 1, told.err)
  const answer = JSON.parse(told.out)
  assert.deepEqual(answer.moved.map(m => [m.collection, m.from, m.to]).sort(), expected.map(n => [n, where[n].from, where[n].to]).sort())
  assert.deepEqual([answer.collections, answer.strays, answer.complete], [42, 1, true])
  const words = await tell(['route', '--moved', w.at('old.yaml'), w.at('new.yaml')])
  assert.equal(words.status, 1)
  assert.ok(words.out.includes(`${expected[0]}  ${where[expected[0]].from} -> c\n`), words.out)
  assert.ok(!(words.out + words.err).includes('shard-secret'))

  assert.equal((await tell(['route', '--moved', w.at('old.yaml'), w.at('old.yaml')])).status, 0)
  // Without the shards, from a list.
  fs.writeFileSync(w.at('list'), `# mine\n${NAMES.join('\n')}\n`)
  const offline = await tell(['route', '--moved', w.at('old.yaml'), w.at('new.yaml'), '--collections', w.at('list'), '--json'])
  assert.equal(offline.status, 1, offline.err)
  assert.deepEqual(JSON.parse(offline.out).moved, NAMES.filter(n => expected.includes(n)).map(n => ({ api: 'qdrant', database: null, tenant: null, collection: n, from: where[n].from, to: where[n].to })))
  // One that cannot be asked is not one that has nothing.
  await shards[0].stop()
  const partly = await tell(['route', '--moved', w.at('old.yaml'), w.at('new.yaml'), '--json'])
  assert.equal(partly.status, 2)
  assert.match(partly.err, /shard a: /)
  assert.equal(JSON.parse(partly.out).complete, false)
})

test('a hash set that changed is refused, by check and by a running gateway, until somebody says that it was migrated', async () => {
  const shard = name => ({ name, api: 'qdrant', endpoints: [`http://${HOSTS[0]}:${port}`] })
  const base = structuredClone(w.config)
  w.config.shards = ['a', 'b', 'c'].map(shard)
  w.config.routes = [{ collection: 'hot*', hash: ['a', 'b'] }, { shard: 'a' }]
  w.save()
  assert.ok(await w.reload())
  fs.copyFileSync(w.file, w.at('old.yaml'))
  const check = () => tell(['check', '--config', w.file, '--against', w.at('old.yaml')])
  const attempt = async (routes, good) => {
    w.config.routes = routes
    w.save()
    const told = await check()
    assert.equal(told.status, good ? 0 : 1, told.out)
    assert.equal(await w.reload(), good)
    return told.out
  }
  const text = await attempt([{ collection: 'hot*', hash: ['a', 'b', 'c'] }, { shard: 'a' }], false)
  assert.match(text, /error: the collections of this rule are on \[a, b\] and would be looked for on \[a, b, c\]; .*'sallyport route --moved OLD NEW'.*'moved_from: \[a, b\]'/)
  await attempt([{ collection: 'hot*', hash: ['a'] }, { shard: 'a' }], false)
  await attempt([{ collection: 'hot*', shard: 'c' }, { shard: 'a' }], false)
  await attempt([{ collection: 'hot*', hash: ['a', 'b'] }, { hash: ['a', 'c'] }], false)
  await attempt([{ collection: 'hot*', hash: ['a', 'b', 'c'], moved_from: ['a', 'c'] }, { shard: 'a' }], false)
  await attempt([{ collection: 'hot*', hash: ['a', 'b', 'c'], moved_from: ['a'] }, { shard: 'a' }], false)
  await attempt([{ collection: 'hot*', hash: ['b', 'a'] }, { shard: 'a' }], true) // the order says nothing
  await attempt([{ collection: 'hot*', hash: ['a', 'b', 'c'], moved_from: ['b', 'a'] }, { shard: 'a' }], true)
  fs.copyFileSync(w.file, w.at('old.yaml'))
  await attempt([{ collection: 'hot*', hash: ['a', 'b', 'c'], moved_from: ['a', 'b'] }, { shard: 'b' }], true) // it may stand
  await attempt([{ collection: 'hot*', hash: ['b', 'c'], moved_from: ['a', 'b'] }, { shard: 'b' }], false) // and is no word about the next change
  assert.match(await attempt([{ collection: 'warm*', hash: ['a', 'b', 'c'] }, { shard: 'b' }], true), /warning: the hash over \[a, b, c\] is gone/)
  w.config = base
  w.save()
  assert.ok(await w.reload())
})
