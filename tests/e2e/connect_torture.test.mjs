// SPDX-License-Identifier: GPL-3.0-or-later
// Anything may happen to `sallyport connect` at any moment: pieces of requests and answers, closes, resets, slow readers on both sides, gateways and a token
// endpoint that come and go, reloads. It must neither end nor, under a sanitizer, complain; and when all is well again, it works and holds nothing of it.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import { test } from 'node:test'
import tls from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import { Authority } from './lib/ca.mjs'
import { Connect } from './lib/connect.mjs'
import { temporary, until } from './lib/files.mjs'
import { dumpLogs } from './lib/program.mjs'

const SECONDS = Number(process.env.SALLYPORT_TORTURE_SECONDS ?? 12)
let seed = Number(process.env.SALLYPORT_TORTURE_SEED ?? Date.now() % 100000)
const any = n => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0, (seed >>> 8) % n)
const one = list => list[any(list.length)]
const problem = (status, code, fields = '') => {
  const body = JSON.stringify({ type: 'about:blank', title: 'X', status, code, request_id: 'abc' })
  return `HTTP/1.1 ${status} X\r\ncontent-type: application/problem+json\r\n${fields}content-length: ${body.length}\r\n\r\n${body}`
}
const BIG = 'y'.repeat(300000)
const NONCE = 'www-authenticate: DPoP error="use_dpop_nonce", algs="ES256"\r\n'
const answers = [
  ...Array(6).fill('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'),
  `HTTP/1.1 200 OK\r\ncontent-length: ${BIG.length}\r\n\r\n${BIG}`,
  `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${BIG.length.toString(16)}\r\n${BIG}\r\n0\r\n\r\n`,
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel', 'HTTP/1.1 200 OK\r\n\r\nuntil the end', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n', 'junk', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}{}',
  () => problem(401, 'proof_nonce', `${NONCE}dpop-nonce: n${any(1000)}\r\n`), problem(401, 'proof_stale'), problem(401, 'token_expired'), problem(403, 'denied'),
  problem(503, 'draining'), problem(503, 'overloaded', 'retry-after: 1\r\n'), problem(502, 'shard_cut'), `${problem(403, 'denied').slice(0, -9)}`,
  'HTTP/1.1 502 X\r\ncontent-type: application/problem+json\r\ncontent-length: 100000\r\n\r\n' + 'z'.repeat(100000)
]

// A server that does as it likes, unless it is kind.
async function wild(who, ca, kind) {
  const server = tls.createServer({ cert: who.certPem, key: who.keyPem, ca: ca.bundlePem, requestCert: true, rejectUnauthorized: true }, socket => {
    socket.on('error', () => {})
    let seen = ''
    socket.on('data', async data => {
      if (server.kind) {
        seen += data.toString('latin1')
        if (!seen.includes('\r\n\r\n')) return
        seen = ''
        return socket.write(kind())
      }
      switch (any(12)) {
        case 0: return socket.destroy()
        case 1: return socket.end()
        case 2: return socket.end('HTTP/1.1 200 OK\r\ncontent-le')
        case 3: socket.pause(); return setTimeout(() => socket.resume(), any(400))
        case 4: return
        case 5: await sleep(any(100)) // falls through
        default: {
          const a = one(answers)
          const text = typeof a === 'function' ? a() : any(5) ? a : kind()
          const at = any(3) ? text.length : any(text.length)
          socket.write(text.slice(0, at))
          if (at < text.length && any(4)) setTimeout(() => socket.write(text.slice(at)), any(60))
        }
      }
    })
  })
  server.on('tlsClientError', () => {})
  server.on('connection', socket => { socket.on('error', () => {}); if (!server.kind && any(8) === 0) socket.destroy() })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  server.at = server.address().port
  return server
}

const bodies = ['', '{"vector":[0.1],"limit":1}', 'x'.repeat(3000), 'x'.repeat(200000)]
function ask() {
  const method = one(['GET', 'POST', 'PUT', 'HEAD', 'DELETE']), body = method === 'GET' || method === 'HEAD' ? '' : one(bodies)
  const chunked = any(3) === 0 && body
  const host = any(12) ? 'localhost' : one(['evil.example', '127.0.0.1:6333', '', 'localhost\r\nhost: other'])
  const fields = one(['', '', '', 'expect: 100-continue\r\n', 'connection: close\r\n', 'api-key: secret\r\nauthorization: Bearer x\r\n', 'origin: null\r\n', 'bad header: x\r\n'])
  const framing = chunked ? 'transfer-encoding: chunked\r\n' : body ? `content-length: ${body.length}\r\n` : ''
  return `${method} /collections/docs/points HTTP/1.${any(9) ? 1 : 0}\r\nhost: ${host}\r\n${fields}${framing}\r\n${chunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body}`
}

async function application(port, end) {
  while (Date.now() < end) {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => {})
    socket.on('data', () => { if (any(20) === 0) { socket.pause(); setTimeout(() => socket.resume(), any(300)) } })
    let over = false
    socket.on('close', () => { over = true }).on('end', () => { if (any(2)) socket.end() })
    for (let i = any(6); i >= 0 && !over; i--) {
      const text = ask().repeat(1 + any(2)), at = any(3) ? text.length : any(text.length)
      socket.write(text.slice(0, at))
      await sleep(any(40))
      if (at < text.length && any(5)) socket.write(text.slice(at))
      await sleep(any(60))
    }
    switch (any(3)) {
      case 0: socket.end(); await sleep(any(200)) // falls through
      case 1: socket.destroy(); break
      default: socket.resetAndDestroy?.()
    }
    socket.destroy()
  }
}

test('whatever applications, gateways and the token endpoint do, it goes on', async () => {
  console.log(`seed ${seed}`)
  const folder = temporary('connect-torture')
  const ca = new Authority(folder, 'example.org')
  const server = ca.issue('gateway', { dns: ['localhost'] }), stranger = ca.issue('stranger', { dns: ['localhost'] })
  const ok = () => 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'
  const token = () => {
    const body = JSON.stringify({ access_token: `token-${any(1e6)}`, token_type: 'DPoP', expires_in: 1 + any(3) })
    return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  }
  const servers = [await wild(server, ca, ok), await wild(stranger, ca, ok), await wild(server, ca, ok), await wild(server, ca, token)]
  servers[3].kind = true
  const who = ca.issue('search', { out: 'search' })
  const c = await Connect.start('torture', {
    who, gateways: [{ at: file => `${folder}/${file}`, ca, port: servers[0].at, server }],
    change: {
      connect: {
        gateways: servers.slice(0, 3).map(s => ({ url: `https://localhost:${s.at}`, spiffe_id: server.id })), connections: 40, buffer: 65536, wait: '300ms',
        token: { endpoint: { url: `https://localhost:${servers[3].at}/token`, spiffe_id: server.id } }, timeouts: { first_byte: '400ms', idle: '400ms' }
      }, log: { level: 'warn' }
    }
  })
  try {
    const end = Date.now() + SECONDS * 1000
    const disturb = (async () => {
      while (Date.now() < end) {
        await sleep(200 + any(300))
        servers[3].kind = any(3) > 0
        if (any(3) === 0) ca.issue('search', { out: 'search' }) // another certificate and key, one after the other
        else c.process.kill('SIGHUP')
      }
    })()
    await Promise.all([disturb, ...Array.from({ length: 12 }, () => application(c.port, end))])
    for (const s of servers) s.kind = true
    await until('it works again', async () => (await c.get('/collections', { agent: false })).status === 200, 40000)
    const fds = () => fs.readdirSync(`/proc/${c.process.pid}/fd`).length
    await until('connections of applications are gone', () => fds() < 40, 20000)
  } finally {
    dumpLogs(c.process)
    await c.stop()
    for (const s of servers) s.close()
  }
})
