// SPDX-License-Identifier: GPL-3.0-or-later
// Issuers whose keys come over the network: a real HTTPS server under a CA of its own publishes, rotates, breaks and lies, while requests run.
import assert from 'node:assert/strict'
import https from 'node:https'
import { after, before, test } from 'node:test'
import { OpenSslAuthority } from './lib/ca.mjs'
import { plain } from './lib/client.mjs'
import { run, runBeside, dumpLogs } from './lib/program.mjs'
import { port, sallyport, until } from './lib/files.mjs'
import { SCOPES, World } from './lib/gateway.mjs'
import { boundToKey, Issuer, newProofKey } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const PATH = '/collections/docs/points/search'
const QUERY = { vector: [0.1, 0.2], limit: 3 }

// An identity provider: `paths` are what it answers, by path; everything else is 404. `hits` counts.
class Provider {
  static async start(certificate) {
    const self = new Provider()
    Object.assign(self, { paths: {}, hits: {}, certificate })
    await self.open()
    return self
  }

  async open(at = this.port) {
    this.port = at ?? await port()
    this.server = https.createServer({ cert: this.certificate.certPem, key: this.certificate.keyPem }, (request, response) => {
      this.hits[request.url] = (this.hits[request.url] ?? 0) + 1
      const answer = this.paths[request.url]
      if (this.hangs) return
      if (!answer) return response.writeHead(404).end()
      const { status = 200, headers = {}, body = '' } = typeof answer === 'function' ? answer(request) : { body: answer }
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    })
    await new Promise((resolve, reject) => this.server.on('error', reject).listen(this.port, '127.0.0.1', resolve))
    this.url = `https://localhost:${this.port}`
  }

  close() {
    this.server.closeAllConnections()
    return new Promise(resolve => this.server.close(resolve))
  }
}

let w, shard, ca, idp, foreign, who, keys, cnf
const issuers = {}
const jwks = issuer => ({ keys: issuer.keys.map(k => k.jwk) })

before(async () => {
  shard = await Upstream.start()
  w = await World.make('issuer-keys', { shards: [{ name: 'recorder', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'recorder' }] })
  ca = new OpenSslAuthority(w.folder, 'idp.example')
  const other = new OpenSslAuthority(w.folder, 'other.example')
  idp = await Provider.start(ca.issue('idp', { dns: ['localhost'] }))
  foreign = await Provider.start(other.issue('foreign', { dns: ['localhost'] }))
  const common = { audiences: ['sallyport'], binding: 'dpop', scopes: SCOPES, asserts: { trust_domains: ['example.org'] }, max_stale: '10s' }
  const fetch = { refresh: '1s', tls: { ca: ca.bundle } }
  const add = async (name, iss, more) => {
    issuers[name] = await Issuer.make(w.at(`${name}.json`), { iss })
    w.config.issuers.push({ name, issuer: iss, ...common, fetch, ...more })
    return issuers[name]
  }
  // By URL; refreshed rarely, so that only an unknown kid makes it fetch.
  const plainly = await add('plainly', 'https://plainly.example', { jwks_url: `${idp.url}/plainly`, fetch: { ...fetch, refresh: '5m' }, max_stale: '1h' })
  idp.paths['/plainly'] = () => ({ body: jwks(plainly) })
  // By URL; refreshed each second.
  const busy = await add('busy', 'https://busy.example', { jwks_url: `${idp.url}/busy` })
  idp.paths['/busy'] = () => ({ body: jwks(busy), headers: { 'cache-control': 'max-age=1' } })
  // By discovery, RFC 8414, the name has a path.
  const found = await add('found', `${idp.url}/tenant`, { discovery: true })
  idp.paths['/.well-known/oauth-authorization-server/tenant'] = () => ({ body: { issuer: found.iss, jwks_uri: `${idp.url}/found` } })
  idp.paths['/found'] = () => ({ body: jwks(found) })
  // By OpenID discovery.
  const openid = await add('openid', `${idp.url}/openid`, { discovery: true })
  idp.paths['/openid/.well-known/openid-configuration'] = () => ({ body: { issuer: openid.iss, jwks_uri: `${idp.url}/openid/keys` } })
  idp.paths['/openid/keys'] = () => ({ body: jwks(openid) })
  // What must not work.
  const liar = await add('liar', `${idp.url}/liar`, { discovery: true })
  idp.paths['/.well-known/oauth-authorization-server/liar'] = () => ({ body: { issuer: `${liar.iss}/`, jwks_uri: `${idp.url}/liar-keys` } })
  idp.paths['/liar-keys'] = () => ({ body: jwks(liar) })
  const moved = await add('moved', 'https://moved.example', { jwks_url: `${idp.url}/moved` })
  idp.paths['/moved'] = () => ({ status: 302, headers: { location: `${idp.url}/moved-here` } })
  idp.paths['/moved-here'] = () => ({ body: jwks(moved) })
  const stranger = await add('stranger', 'https://stranger.example', { jwks_url: `${foreign.url}/stranger` })
  foreign.paths['/stranger'] = () => ({ body: jwks(stranger) })
  w.save()
  await w.start()
  keys = await newProofKey()
  who = w.ca.issue('retrieval')
  cnf = await boundToKey(keys)
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await idp?.close()
  await foreign?.close()
  await shard?.stop()
})

const mint = (name, more = {}) => issuers[name].mint({ workload: who.id, cnf, ...more })
const client = async (name, more) => w.workload('retrieval', { who, keys, token: await mint(name, more) })
const ask = async (name, more) => (await client(name, more)).request('POST', PATH, { body: QUERY })
const fetched = async (name, result = 'ok') => (await w.metrics())[`sallyport_issuer_key_fetches_total{issuer="${name}",result="${result}"}`]
// On every loop: each takes up news by itself, and who serves a connection is chance.
const works = name => until(`the keys of ${name}`, async () => (await Promise.all(Array.from({ length: 16 }, () => ask(name)))).every(a => a.status === 200))

for (const [name, how] of [['plainly', 'its URL'], ['found', 'RFC 8414 metadata'], ['openid', 'OpenID metadata']]) {
  test(`keys are fetched by ${how}`, async () => {
    await works(name)
    assert.equal((await w.metrics())[`sallyport_issuer_keys{issuer="${name}"}`], 1)
  })
}

for (const [name, why] of [['liar', /`issuer` is not the issuer/], ['moved', /redirect/], ['stranger', /https:\/\/localhost:\d+\/stranger: /]]) {
  test(`no key of '${name}' is believed, and others are not affected`, async () => {
    await until(`an attempt for ${name}`, async () => await fetched(name, 'failed') > 0)
    const answer = await ask(name)
    assert.equal(answer.status, 503, answer.text)
    assert.equal((await w.record(answer.json.request_id)).error, 'KEYS_STALE')
    assert.match(w.process.log, new RegExp(`issuer ${name}: its keys cannot be fetched: .*${why.source}`))
    // Said once, however often it is tried.
    await until(`more attempts for ${name}`, async () => await fetched(name, 'failed') > 2)
    assert.equal(w.process.log.split(`issuer ${name}: its keys cannot be fetched`).length, 2)
    assert.equal((await ask('plainly')).status, 200)
  })
}

test('what is no use is asked where it was, and no further', () => {
  assert.equal(idp.hits['/liar-keys'], undefined)
  assert.equal(idp.hits['/moved-here'], undefined)
})

test('check --live asks for the keys as the gateway does, and names whose cannot be had', async () => {
  const told = await runBeside(sallyport, ['check', '--live', '--config', w.file, '--json'])
  const answer = JSON.parse(told.out)
  assert.equal(told.status, 1, told.err)
  const good = ['plainly', 'busy', 'found', 'openid']
  for (const s of answer.live.servers.filter(s => [...good, 'liar', 'moved', 'stranger'].includes(s.name))) assert.equal(s.ok, good.includes(s.name), s.name)
  const errors = answer.diagnostics.filter(d => d.severity === 'error').map(d => d.text)
  for (const [name, why] of [['liar', /`issuer` is not the issuer/], ['moved', /redirect/], ['stranger', /https:\/\/localhost:\d+\/stranger: /]])
    assert.ok(errors.some(e => e.startsWith(`keys of issuer ${name}: `) && why.test(e)), `${name}: ${JSON.stringify(errors, null, 1)}`)
})

test('/readyz names the issuer whose keys are missing, and why', async () => {
  const answer = await plain(w.operations, '/readyz')
  assert.equal(answer.status, 503)
  assert.match(answer.text, /the keys of issuer (liar|moved|stranger) were not fetched yet: https:/)
})

test('an unknown kid is fetched once for many requests, which wait for it', async () => {
  await works('plainly')
  const before = idp.hits['/plainly']
  await issuers.plainly.rotate()
  const tokens = await Promise.all(Array.from({ length: 24 }, () => client('plainly')))
  const answers = await Promise.all(tokens.map(c => c.request('POST', PATH, { body: QUERY })))
  assert.deepEqual(answers.map(a => a.status), answers.map(() => 200))
  assert.equal(idp.hits['/plainly'], before + 1)
  // The next one that nobody knows is refused at once: one refetch in ten seconds.
  const kid = 'nobody'
  const begun = Date.now()
  const refused = await Promise.all(Array.from({ length: 12 }, () => ask('plainly', { header: { kid } })))
  assert.deepEqual(refused.map(a => a.status), refused.map(() => 401))
  assert.ok(Date.now() - begun < 2500, `${Date.now() - begun} ms`)
  assert.equal(idp.hits['/plainly'], before + 1)
})

test('keys rotate while requests run, and none fails', async () => {
  await works('busy')
  let over = false
  const statuses = []
  const runners = Array.from({ length: 4 }, async () => {
    while (!over) statuses.push((await ask('busy')).status)
  })
  for (let i = 0; i < 3; i++) {
    const old = issuers.busy.keys.at(-1).jwk.kid
    const before = await fetched('busy')
    // Published before it signs, taken out when its tokens are gone.
    const next = await Issuer.make(w.at('next.json'))
    issuers.busy.keys.unshift(next.keys[0])
    await until('the new key', async () => await fetched('busy') > before + 1)
    issuers.busy.keys.push(issuers.busy.keys.shift())
    await new Promise(resolve => setTimeout(resolve, 300))
    issuers.busy.forget(old)
  }
  over = true
  await Promise.all(runners)
  assert.ok(statuses.length > 20)
  assert.deepEqual(statuses.filter(s => s !== 200), [])
})

test('a key that is not published any more is gone, for tokens that passed before too', async () => {
  await works('busy')
  const c = await client('busy')
  assert.equal((await c.request('POST', PATH, { body: QUERY })).status, 200)
  const old = issuers.busy.keys.at(-1).jwk.kid
  await issuers.busy.rotate()
  issuers.busy.forget(old)
  await until('the removal', async () => (await c.request('POST', PATH, { body: QUERY })).status === 401)
})

test('a set that cannot be used takes no key away that it still has', async () => {
  await works('busy')
  const good = idp.paths['/busy']
  const failed = await fetched('busy', 'failed')
  for (const body of ['no JSON', '[]', '{"keys":{}}', JSON.stringify({ keys: [...jwks(issuers.busy).keys, { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'bad' }] }),
    JSON.stringify({ keys: [...jwks(issuers.busy).keys, { kty: 'RSA', n: Buffer.alloc(2048, 0xff).toString('base64url'), e: 'AQAB', alg: 'RS256', kid: 'huge' }] }),
    JSON.stringify({ keys: jwks(issuers.busy).keys, padding: 'x'.repeat(1 << 20) })]) {
    const before = await fetched('busy', 'failed')
    idp.paths['/busy'] = () => ({ body })
    await until('the attempt', async () => await fetched('busy', 'failed') > before)
    assert.equal((await ask('busy')).status, 200, body.slice(0, 80))
  }
  assert.ok(await fetched('busy', 'failed') >= failed + 6)
  idp.paths['/busy'] = good
  await works('busy')
})

test('keys survive a reload, a refused one too, and go on being fetched', async () => {
  await works('plainly')
  const before = idp.hits['/plainly']
  assert.equal(await w.reload(), true)
  assert.equal((await ask('plainly')).status, 200)
  const config = w.config
  w.save({ ...config, policy: { files: [w.at('nowhere.cedar')] } })
  assert.equal(await w.reload(), false)
  const busy = await fetched('busy')
  await until('another fetch', async () => await fetched('busy') > busy)
  assert.equal((await ask('plainly')).status, 200)
  w.save(config)
  assert.equal(await w.reload(), true)
  assert.equal((await ask('plainly')).status, 200)
  assert.equal(idp.hits['/plainly'], before)
})

test('an outage: the last good keys stay, no request waits, then the issuer fails closed and comes back', async () => {
  await works('found')
  await works('busy')
  await idp.close()
  let longest = 0
  const ends = Date.now() + 4000
  while (Date.now() < ends) {
    const begun = Date.now()
    assert.equal((await ask('found')).status, 200)
    longest = Math.max(longest, Date.now() - begun)
  }
  assert.ok(longest < 1500, `${longest} ms`)
  await until('the end of the keys', async () => (await ask('found')).status === 503, 15000)
  // Its neighbour may be older.
  assert.equal((await ask('plainly')).status, 200)
  await idp.open()
  await until('the recovery', async () => (await ask('found')).status === 200, 15000)
  await until('the other', async () => (await ask('busy')).status === 200, 15000)
})

test('a server that accepts and says nothing holds up no request', async () => {
  // Those from before the outage may be about to end.
  const before = await fetched('busy')
  await until('fresh keys', async () => await fetched('busy') > before, 15000)
  await works('busy')
  idp.hangs = true
  const ends = Date.now() + 3000
  while (Date.now() < ends) {
    const begun = Date.now()
    const answer = await ask('busy')
    assert.equal(answer.status, 200, answer.text)
    assert.ok(Date.now() - begun < 1500)
  }
  idp.hangs = false
  idp.server.closeAllConnections()
})

test('check validates and fetches nothing', async () => {
  const before = structuredClone(idp.hits)
  const { status, out, err } = run(sallyport, ['check', '--config', w.file])
  assert.equal(status, 0, out + err)
  const config = structuredClone(w.config)
  config.issuers.find(i => i.name === 'plainly').jwks_url = 'http://idp.example/keys'
  w.save(config)
  const bad = run(sallyport, ['check', '--config', w.file])
  w.save()
  assert.equal(bad.status, 1)
  assert.match(bad.out + bad.err, /https:\/\/ is expected; plain http is for 127\.0\.0\.1/)
  assert.equal(idp.hits['/plainly'], before['/plainly'])
})
