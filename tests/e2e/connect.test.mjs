// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport connect`: what an application on localhost gets, and what a gateway behind it sees, with an authority, two gateways and a shard that
// writes down what reaches it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { after, before, test } from 'node:test'
import { authorityOf, Connect, siblingOf } from './lib/connect.mjs'
import { port, replace, sallyport, sanitised, sleep, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs, run } from './lib/program.mjs'
import { boundToCertificate, Issuer } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const SEARCH = '/collections/docs/points/search'
const QUERY = { vector: [0.1, 0.2], limit: 3 }
const POLICY = `
@id("search")
permit (principal in TrustDomain::"example.org", action, resource)
unless { resource has name && resource.name like "secret-*" };
`
let w, second, shard, authority, who
const connects = []

async function connect(name, options = {}) {
  const c = await Connect.make(name, { who, gateways: [w], authority, ...options })
  connects.push(c)
  return c.start(options)
}

before(async () => {
  shard = await Upstream.start()
  w = await World.make('connect', {
    shards: [{ name: 'recorder', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'recorder' }], policies: POLICY,
    change: { listener: { limits: { body_bytes: '64MiB' } } }
  })
  authority = await authorityOf(w)
  second = await siblingOf(w, 'second')
  await authority.start()
  await Promise.all([w.start(), second.start()])
  for (const g of [w, second]) await until('the keys', async () => (await g.metrics()).sallyport_ready === 1)
  who = w.ca.issue('search')
})

after(async () => {
  dumpLogs(w?.process, authority?.process, ...connects.map(c => c.process))
  for (const c of connects) await c.stop()
  await second?.stop()
  await w?.stop()
  await authority?.stop()
  await shard?.stop()
})

const refusal = (answer, status, code) => assert.deepEqual([answer.status, answer.json.code], [status, code], answer.text)

test('a request on localhost reaches the shard as the workload, with a proof by a key that is nowhere on the disk', async () => {
  const c = await connect('plain')
  const answer = await c.post(SEARCH, QUERY, { headers: { 'x-envoy-expected-rq-timeout-ms': '20000' } })
  assert.equal(answer.status, 200, answer.text)
  const record = await w.record(answer.headers['x-request-id'])
  assert.equal(record.workload, who.id)
  assert.ok(Number(shard.last.get('x-envoy-expected-rq-timeout-ms')) > 10000, 'the time that the client gave is not with the shard')
  assert.match(record.proof_thumbprint, /^[\w-]{43}$/)
  assert.equal(shard.last.get('host'), `127.0.0.1:${shard.port}`)
  assert.deepEqual(JSON.parse(shard.last.body), QUERY)
})

test('what the client still sends as credentials reaches nobody', async () => {
  const c = connects[0]
  const secrets = { 'api-key': 'leak-1', authorization: 'Bearer leak-2', 'x-api-key': 'leak-3', cookie: 'a=leak-4', dpop: 'leak-5', 'x-chroma-token': 'leak-6', 'proxy-authorization': 'leak-7' }
  const answer = await c.post(SEARCH, QUERY, { headers: secrets })
  assert.equal(answer.status, 200, answer.text)
  const all = JSON.stringify(shard.last.headers) + fs.readFileSync(w.audit, 'utf8') + w.process.log + c.log
  assert.doesNotMatch(all, /leak-/)
})

test('a foreign Host and any Origin are refused: DNS rebinding', async () => {
  const c = connects[0]
  const before = shard.requests.length
  for (const host of ['evil.example', `evil.example:${c.port}`, '127.0.0.1.evil.example', 'localhost.evil.example', '10.0.0.1', '[::2]', '127.0.0.256'])
    refusal(await c.post(SEARCH, QUERY, { headers: { host } }), 421, 'host_not_loopback')
  for (const origin of ['https://evil.example', 'null', `http://localhost:${c.port}`])
    refusal(await c.post(SEARCH, QUERY, { headers: { origin } }), 403, 'origin_refused')
  refusal(await c.get('/collections', { headers: { 'sec-fetch-site': 'cross-site' } }), 403, 'origin_refused')
  assert.equal(shard.requests.length, before)
  for (const host of ['localhost', '127.0.0.1', `127.1.2.3:${c.port}`, '[::1]:1']) assert.equal((await c.post(SEARCH, QUERY, { headers: { host } })).status, 200)
})

test('a refusal says which gate it was and what to do, under the gateway\'s request id', async () => {
  const c = connects[0]
  const answer = await c.post('/collections/secret-plans/points/search', QUERY)
  refusal(answer, 403, 'denied')
  assert.equal(answer.json.gate, 'policy')
  assert.match(answer.json.detail, /policies do not let this workload/)
  assert.equal(answer.json.message, answer.json.detail)
  assert.equal(answer.json.request_id, answer.headers['x-request-id'])
  const record = await w.record(answer.json.request_id)
  assert.equal(record.status, 403)
  const unknown = await c.get('/no/such/thing')
  refusal(unknown, 403, 'api_unknown')
  assert.equal(unknown.json.gate, 'request')
  // What the database itself says is nobody's to explain.
  shard.answer = () => 'HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"status":"no"}'
  const own = await c.post(SEARCH, QUERY)
  shard.answer = undefined
  assert.deepEqual([own.status, own.text], [404, '{"status":"no"}'])
})

test('bodies stream both ways', async () => {
  const c = connects[0]
  // An upload that is longer than what is kept, in chunks; the answer begins before the last of it was read.
  const big = Buffer.alloc(6 << 20, '{"points":[]}          ')
  const answer = await c.request('PUT', '/collections/docs/points', { body: big, headers: { 'content-type': 'application/json' } })
  assert.equal(answer.status, 200, answer.text)
  assert.equal(shard.last.body.length, big.length)
  shard.answer = (request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n')
    shard.finish = () => socket.write('2\r\n1}\r\n0\r\n\r\n')
  }
  const first = await c.post(SEARCH, QUERY, {
    onResponse: response => new Promise(resolve => response.once('data', piece => resolve({ piece: piece.toString(), response })))
  })
  assert.equal(first.piece, '{"a":')
  shard.finish()
  shard.answer = shard.finish = undefined
  let rest = ''
  for await (const piece of first.response) rest += piece
  assert.equal(rest, '1}')
})

test('many at once, pipelined and not, each get their own answer', async () => {
  const c = connects[0]
  shard.answer = request => {
    const body = JSON.stringify({ path: request.path })
    return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  }
  const agent = new http.Agent({ keepAlive: true, maxSockets: 32 })
  const names = Array.from({ length: 300 }, (_, i) => `/collections/docs-${i}/points/search`)
  const answers = await Promise.all(names.map(name => c.post(name, QUERY, { agent })))
  agent.destroy()
  shard.answer = undefined
  answers.forEach((a, i) => assert.deepEqual([a.status, a.json.path], [200, names[i]]))
})

test('Expect: 100-continue, HEAD and HTTP/1.0 are understood', async () => {
  const c = connects[0]
  const bytes = (head, body = '') => new Promise((resolve, reject) => {
    let text = ''
    const socket = net.connect(c.port, '127.0.0.1', () => socket.write(`${head}\r\nhost: localhost\r\n${body && `content-length: ${body.length}\r\n`}\r\n${/expect/.test(head) ? '' : body}`))
    socket.setEncoding('latin1').on('data', piece => {
      text += piece
      if (text.endsWith(' Continue\r\n\r\n')) socket.write(body)
    }).on('end', () => resolve(text)).on('error', reject)
  })
  const body = JSON.stringify(QUERY)
  assert.match(await bytes(`POST ${SEARCH} HTTP/1.1\r\nexpect: 100-continue\r\nconnection: close`, body), /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/)
  // A list: the gateway asks the shard with GET.
  shard.answer = () => 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 55\r\n\r\n{"result":{"collections":[]},"status":"ok","time":0.01}'
  assert.match(await bytes('HEAD /collections HTTP/1.1\r\nconnection: close'), /^HTTP\/1.1 200 OK\r\n[\s\S]*content-length: [1-9]\d*\r\n[\s\S]*\r\n\r\n$/)
  shard.answer = undefined
  assert.match(await bytes(`POST ${SEARCH} HTTP/1.0`, body), /^HTTP\/1.1 200 OK\r\n[\s\S]*"status":"ok"/)
})

test('bound to the certificate: no proof, and the token is another when the certificate is', async () => {
  const mine = w.ca.issue('bound')
  const c = await connect('certificate', { who: mine, change: { connect: { binding: 'certificate' } } })
  const answer = await c.post(SEARCH, QUERY)
  assert.equal(answer.status, 200, answer.text)
  const record = await w.record(answer.headers['x-request-id'])
  assert.equal(record.workload, mine.id)
})

test('a token file that rotates; one that is broken is not taken', async () => {
  const mine = w.ca.issue('filed')
  const mint = () => w.issuer.mint({ workload: mine.id, cnf: boundToCertificate(mine.certPem) })
  const file = w.at('filed.token')
  w.config.issuers[0].binding = 'either'
  w.save()
  assert.equal(await w.reload(), true)
  fs.writeFileSync(file, `${await mint()}\n`)
  const c = await connect('file', { who: mine, authority: undefined, change: { connect: { binding: 'certificate', token: { file } } } })
  const one = await c.post(SEARCH, QUERY)
  assert.equal(one.status, 200, one.text)
  const first = await w.record(one.headers['x-request-id'])
  replace(file, 'two words\n')
  await until('the complaint', () => /does not hold one token/.test(c.log))
  assert.equal((await c.post(SEARCH, QUERY)).status, 200)
  replace(file, await mint())
  await until('the next token', async () => {
    const answer = await c.post(SEARCH, QUERY)
    assert.equal(answer.status, 200, answer.text)
    return (await w.record(answer.headers['x-request-id'])).jti !== first.jti
  })
  // One that is bound to another certificate is for the time when that is here.
  replace(file, await w.issuer.mint({ workload: mine.id, cnf: boundToCertificate(who.certPem) }))
  await until('the complaint', () => /bound to another certificate/.test(c.log))
  assert.equal((await c.post(SEARCH, QUERY)).status, 200)
  // One that a gateway does not take is told as such.
  const stranger = await Issuer.make(w.at('stranger.json'), { iss: 'https://stranger.example' })
  replace(file, await stranger.mint({ workload: mine.id, cnf: boundToCertificate(mine.certPem) }))
  await until('the refusal', async () => {
    const answer = await c.post(SEARCH, QUERY)
    return answer.status === 401 && answer.json.gate === 'token' && answer.json.code === 'token_invalid'
  })
})

test('the certificate is swapped by symlinks under load, and half a swap is not taken', async () => {
  const volume = w.at('volume')
  const put = (n, pair) => {
    fs.mkdirSync(`${volume}/..${n}`, { recursive: true })
    fs.copyFileSync(pair.cert, `${volume}/..${n}/tls.crt`)
    fs.copyFileSync(pair.key, `${volume}/..${n}/tls.key`)
    fs.rmSync(`${volume}/..data_new`, { force: true })
    fs.symlinkSync(`..${n}`, `${volume}/..data_new`)
    fs.renameSync(`${volume}/..data_new`, `${volume}/..data`)
  }
  put(0, w.ca.issue('rotating', { out: 'rotating-0' }))
  for (const file of ['tls.crt', 'tls.key']) fs.symlinkSync(`..data/${file}`, `${volume}/${file}`)
  const c = await connect('rotating', { change: { connect: { certificate: `${volume}/tls.crt`, key: `${volume}/tls.key`, binding: 'certificate' } } })
  const serials = new Set()
  let over = false, done = 0
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 })
  const load = Promise.all(Array.from({ length: 4 }, async () => {
    while (!over) {
      const answer = await c.post(SEARCH, QUERY, { agent })
      assert.equal(answer.status, 200, answer.text)
      done++
      if (done % 5 === 0) serials.add((await w.record(answer.headers['x-request-id'])).certificate_serial)
    }
  }))
  for (let n = 1; n <= 3; n++) {
    put(n, w.ca.issue('rotating', { out: `rotating-${n}` }))
    await until(`certificate ${n}`, () => serials.size > n, 15000)
  }
  // A pair that does not match: said, and not taken.
  const halves = [w.ca.issue('rotating', { out: 'rotating-8' }), w.ca.issue('rotating', { out: 'rotating-9' })]
  put(8, { cert: halves[0].cert, key: halves[1].key })
  await until('the complaint', () => /what was read before stays in force/.test(c.log))
  const before = done
  await until('more requests', () => done > before + 20)
  over = true
  await load
  agent.destroy()
  assert.equal(serials.size, 4)
})

test('the first gateway is killed: requests go on by the second, and come back', async () => {
  const c = await connect('failover', { gateways: [second, w] })
  const through = async () => {
    const answer = await c.post(SEARCH, QUERY)
    assert.equal(answer.status, 200, answer.text)
    const id = answer.headers['x-request-id']
    return until('the record', () => [second, w].find(g => g.records().some(r => r.request_id === id)))
  }
  assert.equal(await through(), second)
  second.process.kill('SIGKILL')
  await second.process.ended
  for (let i = 0; i < 10; i++) assert.equal(await through(), w)
  await second.start()
  await until('the first choice', async () => await through() === second)
  // One that drains is left without a failure, too.
  let over = false
  const load = (async () => {
    let n = 0
    for (; !over; n++) {
      const answer = await c.post(SEARCH, QUERY)
      assert.equal(answer.status, 200, answer.text)
    }
    return n
  })()
  await second.stop()
  await until('the other', async () => await through() === w)
  over = true
  assert.ok(await load > 0)
})

test('a gateway that is somebody else is told nothing', async () => {
  const impostor = w.ca.issue('impostor', { dns: ['localhost'] })
  const seen = await Upstream.start({ tls: { cert: impostor.certPem, key: impostor.keyPem, ca: w.bundle } })
  const c = await connect('pinned', {
    change: { connect: { gateways: [{ url: `https://localhost:${seen.port}`, spiffe_id: w.server.id }] } }
  })
  const answer = await c.post(SEARCH, QUERY)
  refusal(answer, 502, 'gateway_untrusted')
  assert.equal(seen.requests.length, 0)
  assert.match(answer.json.detail, /spiffe_id/)
  await seen.stop()
})

test('without a gateway there is an error that says so, and a probe that knows', async () => {
  const c = await connect('nowhere', { change: { connect: { gateways: [{ url: `https://localhost:${await port()}`, spiffe_id: w.server.id }] } } })
  refusal(await c.post(SEARCH, QUERY), 502, 'gateway_unreachable')
})

test('a token that cannot be had: the application is told why', async () => {
  const c = await connect('scopeless', { ready: false, change: { connect: { wait: '1500ms', token: { endpoint: { scope: 'vec"tors' } } } } })
  const answer = await c.post(SEARCH, QUERY)
  refusal(answer, 503, 'no_token')
  assert.match(answer.json.detail, /token endpoint answered 400 invalid_scope/)
  assert.equal(answer.json.gate, 'token')
})

test('a certificate that is not there yet is waited for', async () => {
  const folder = w.at('late')
  const c = await connect('late', { ready: false, change: { connect: { certificate: `${folder}/cert.pem`, key: `${folder}/key.pem`, wait: '20s' } } })
  const asked = c.post(SEARCH, QUERY)
  await until('the wait', () => /waiting for a certificate/.test(c.log))
  fs.mkdirSync(folder)
  fs.copyFileSync(who.cert, `${folder}/cert.pem`)
  fs.copyFileSync(who.key, `${folder}/key.pem`)
  assert.equal((await asked).status, 200)
})

test('a Unix socket is for one user', async t => {
  const path = w.at('s/connect.sock')
  fs.mkdirSync(w.at('s'))
  const c = await connect('unix', { change: { connect: { listen: [`unix:${path}`] } } })
  assert.equal(fs.statSync(path).mode & 0o777, 0o600)
  assert.equal((await c.post(SEARCH, QUERY, { socketPath: path })).status, 200)
  await t.test('another user is refused', { skip: process.getuid() !== 0 && 'only root can be somebody else' }, async () => {
    for (const folder of [w.folder, w.at('s')]) fs.chmodSync(folder, 0o755)
    fs.chmodSync(path, 0o666)
    const code = `require('http').get({ socketPath: ${JSON.stringify(path)}, path: '/collections', headers: { host: 'localhost' } }, r => { console.log(r.statusCode) }).on('error', e => console.log(e.code))`
    const child = spawn(process.execPath, ['-e', code], { uid: 65534, gid: 65534, cwd: '/', env: {} })
    let out = ''
    child.stdout.on('data', piece => { out += piece })
    await new Promise(resolve => child.on('close', resolve))
    assert.match(out.trim(), /^(ECONNRESET|EPIPE)$/)
    await until('the word', () => /a process of another user was refused/.test(c.log))
  })
  await c.stop()
  assert.equal(fs.existsSync(path), false)
})

test('a process that ends leaves the socket of the one that follows it alone', async () => {
  const path = w.at('next.sock')
  const change = { connect: { listen: [`unix:${path}`] } }
  const [old, next] = [await connect('old', { change }), await Connect.make('next', { who, gateways: [w], authority, change })]
  shard.answer = (request, socket) => { shard.finish = () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}') }
  const asked = old.post(SEARCH, QUERY, { socketPath: path })
  await until('the request', () => shard.finish)
  old.process.kill('SIGTERM')
  await until('the drain', () => /draining/.test(old.log))
  connects.push(next)
  await next.start()
  shard.finish()
  assert.equal((await asked).status, 200)
  await old.process.ended
  shard.answer = shard.finish = undefined
  assert.equal((await next.post(SEARCH, QUERY, { socketPath: path })).status, 200)
  await next.stop()
  assert.equal(fs.existsSync(path), false)
})

test('a pod on the host\'s network is refused, unless it is told otherwise', async () => {
  const c = await Connect.make('pod', { who, gateways: [w], authority })
  const environment = { KUBERNETES_SERVICE_HOST: '10.0.0.1', POD_IP: '10.1.2.3', HOST_IP: '10.1.2.3' }
  await assert.rejects(c.start({ environment }), /on the host's network/)
  c.config.connect.host_network = 'allow'
  c.save()
  connects.push(c)
  await c.start({ environment })
  assert.equal((await c.post(SEARCH, QUERY)).status, 200)
})

test('check reads it as connect does; run does not take it', async () => {
  const c = connects[0]
  const good = run(sallyport, ['check', '--config', c.file])
  assert.equal(good.status, 0, good.out)
  assert.match(good.out, /connect to 1 gateway, tokens from an endpoint/)
  const other = run(sallyport, ['run', '--config', c.file])
  assert.equal(other.status, 1)
  assert.match(other.err, /use `sallyport connect/)
})

test('at rest, after work, it holds less than 6 MiB', { skip: sanitised && 'a sanitizer holds more' }, async () => {
  const c = await connect('small')
  await until('the start', () => /gave memory back/.test(c.log))
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
  await Promise.all(Array.from({ length: 200 }, () => c.post(SEARCH, QUERY, { agent })))
  agent.destroy()
  const memory = () => Object.fromEntries(fs.readFileSync(`/proc/${c.process.pid}/status`, 'utf8').match(/(VmRSS|RssAnon|RssFile):\s+\d+/g).map(l => l.split(/:\s+/)))
  await until('the rest', () => (c.log.match(/gave memory back/g) ?? []).length >= 2, 30000)
  const { VmRSS, RssAnon, RssFile } = memory()
  console.log(`resident: ${VmRSS} KiB, of which its own ${RssAnon}, of the program's file ${RssFile}`)
  assert.ok(VmRSS < 6 * 1024, `${VmRSS} KiB`)
  assert.equal((await c.post(SEARCH, QUERY)).status, 200)
})

test('a drain ends what is under way, and takes nothing more', async () => {
  const c = await connect('drained')
  shard.answer = (request, socket) => { shard.finish = () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}') }
  const asked = c.post(SEARCH, QUERY)
  await until('the request', () => shard.finish && shard.last.path === SEARCH)
  c.process.kill('SIGTERM')
  await until('the drain', () => /draining/.test(c.log))
  await assert.rejects(c.post(SEARCH, QUERY, { agent: false }), /ECONNREFUSED/)
  await sleep(50)
  shard.finish()
  assert.equal((await asked).status, 200)
  await c.process.ended
  assert.equal(c.process.code, 0)
  shard.answer = shard.finish = undefined
})
