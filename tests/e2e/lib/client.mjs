// SPDX-License-Identifier: GPL-3.0-or-later
// The workload's side: HTTPS over node's TLS with a certificate, a token and a fresh proof for each request; and a bare TLS
// socket for bytes that no HTTP library would send.
import http from 'node:http'
import https from 'node:https'
import tls from 'node:tls'
import { prove } from './token.mjs'

export class Client {
  // at: { port, bundle: PEM that vouches for the gateway }. who: { certPem, keyPem } or nothing. With `token` and `keys` requests carry
  // both. `tls`: more options for node's TLS.
  constructor(at, who, { token, keys, scheme = 'DPoP', nonce, tls: options = {}, sockets = 1 } = {}) {
    Object.assign(this, { at, who, token, keys, scheme, nonce, origin: `https://localhost:${at.port}` })
    this.tls = { host: '127.0.0.1', port: at.port, servername: 'localhost', ca: at.bundle, cert: who?.certPem, key: who?.keyPem, ALPNProtocols: ['http/1.1'], ...options }
    this.agent = new https.Agent({ ...this.tls, keepAlive: true, maxSockets: sockets })
  }

  // The same workload with something else: another token, other keys, no keep-alive shared.
  with(change) {
    const { token, keys, scheme, nonce } = this
    return new Client(this.at, change.who ?? this.who, { token, keys, scheme, nonce, ...change })
  }

  proof(method, path, more = {}) {
    return prove(this.keys, { url: this.origin + path, method, token: this.token, nonce: this.nonce, ...more })
  }

  // Header fields of the second gate.
  async credentials(method, path) {
    return {
      ...(this.token && { authorization: `${this.scheme} ${this.token}` }),
      ...(this.token && this.keys && { dpop: await this.proof(method, path) })
    }
  }

  // `headers` come last and win; one that is undefined is left out, an array is sent as several fields.
  // Resolves to { status, headers, text, json, socket }; the body is a Buffer in `bytes`.
  async request(method, path, { body, headers = {}, agent = this.agent, onResponse, timeout = 30000 } = {}) {
    const all = { host: `localhost:${this.at.port}`, ...await this.credentials(method, path), ...headers }
    if (body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body) && !body.pipe) {
      body = JSON.stringify(body)
      all['content-type'] ??= 'application/json'
    }
    if (typeof body === 'string') body = Buffer.from(body)
    if (Buffer.isBuffer(body) && !all['transfer-encoding']) all['content-length'] ??= body.length
    for (const name of Object.keys(all)) if (all[name] === undefined) delete all[name]
    return new Promise((resolve, reject) => {
      const request = https.request({ ...this.tls, agent, method, path, headers: all, timeout }, response => {
        if (onResponse) return resolve(onResponse(response, request))
        collect(response).then(bytes => {
          const text = bytes.toString()
          resolve({ status: response.statusCode, headers: response.headers, raw: response.rawHeaders, trailers: response.trailers, bytes, text,
            socket: response.socket, get json() { return JSON.parse(text) } })
        }, reject)
      })
      request.on('error', reject).on('timeout', () => request.destroy(new Error(`no answer to ${method} ${path} in ${timeout} ms`)))
      if (body?.pipe) body.pipe(request)
      else request.end(body)
    })
  }

  get(path, options) { return this.request('GET', path, options) }
  post(path, body, options) { return this.request('POST', path, { body, ...options }) }
  put(path, body, options) { return this.request('PUT', path, { body, ...options }) }

  // A request as text: the head that this client would send, and what is to follow it.
  async head(method, path, fields = {}) {
    const all = { Host: `localhost:${this.at.port}`, ...await this.credentials(method, path), ...fields }
    return `${method} ${path} HTTP/1.1\r\n${Object.entries(all).filter(([, v]) => v !== undefined).map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`
  }

  // A bare connection; resolves when the handshake is done on this side.
  open(options = {}) {
    return new Promise((resolve, reject) => {
      const socket = tls.connect({ ...this.tls, ...options }, () => resolve(new Raw(socket)))
      socket.once('error', reject)
    })
  }

  // How a handshake ended: 'open' when the gateway answered anything at all on it, else the code of what went wrong.
  async handshake(options = {}) {
    try {
      const raw = await this.open(options)
      raw.send('GET / HTTP/1.1\r\nHost: nobody\r\nConnection: close\r\n\r\n')
      await raw.closed
      return raw.received.length > 0 ? 'open' : raw.error?.code ?? 'closed'
    } catch (error) {
      return error.code ?? error.message
    }
  }

  close() { this.agent.destroy() }
}

async function collect(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

// A TLS socket with everything it received.
export class Raw {
  constructor(socket) {
    this.socket = socket
    this.received = Buffer.alloc(0)
    this.closed = new Promise(resolve => socket.on('close', resolve))
    socket.on('data', data => { this.received = Buffer.concat([this.received, data]); this.wake?.() })
    socket.on('error', error => { this.error = error })
    socket.on('end', () => { this.ended = true; this.wake?.() })
    socket.on('close', () => { this.over = true; this.wake?.() })
  }

  send(bytes) { this.socket.write(bytes) }

  // Takes the next whole response off what was received. HEAD answers have no body, whatever they announce.
  async response({ head = false, ms = 10000 } = {}) {
    const deadline = Date.now() + ms
    for (;;) {
      const found = take(this.received, head)
      if (found) {
        this.received = this.received.subarray(found.length)
        return found
      }
      if (this.over || Date.now() > deadline) throw new Error(`no whole response, but: ${JSON.stringify(this.received.toString('latin1').slice(0, 2000))}`)
      await new Promise(resolve => {
        const timer = setTimeout(resolve, deadline - Date.now())
        this.wake = () => { clearTimeout(timer); resolve() }
      })
    }
  }

  close() { this.socket.destroy() }
}

function take(bytes, head) {
  const text = bytes.toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return
  const [line, ...fields] = text.slice(0, end).split('\r\n')
  const headers = {}
  for (const field of fields) {
    const at = field.indexOf(':')
    headers[field.slice(0, at).toLowerCase()] = field.slice(at + 1).trim()
  }
  const status = Number(line.split(' ')[1])
  const whole = (length, body) => length <= bytes.length ? { status, line, headers, body, length, get json() { return JSON.parse(body) } } : undefined
  const from = end + 4
  if (head || status < 200 || status === 204 || status === 304) return whole(from, '')
  if (headers['transfer-encoding'] === 'chunked') {
    let at = from
    let body = ''
    for (;;) {
      const eol = text.indexOf('\r\n', at)
      if (eol < 0) return
      const size = parseInt(text.slice(at, eol), 16)
      if (size === 0) return text.length >= eol + 4 ? whole(eol + 4, body) : undefined
      body += text.slice(eol + 2, eol + 2 + size)
      at = eol + 2 + size + 2
    }
  }
  const length = Number(headers['content-length'] ?? 0)
  return whole(from + length, text.slice(from, from + length))
}

// The plain listeners (operations).
export function plain(port, path, { method = 'GET', headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    http.request({ host: '127.0.0.1', port, path, method, headers, agent: false }, async response => {
      resolve({ status: response.statusCode, headers: response.headers, text: (await collect(response)).toString() })
    }).on('error', reject).end()
  })
}
