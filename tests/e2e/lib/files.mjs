// SPDX-License-Identifier: GPL-3.0-or-later
// Folders, ports, waiting: what every scenario needs around it.
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..')
export const sallyport = path.resolve(process.env.SALLYPORT_BIN ?? path.join(repository, 'build/sallyport'))

// A build with a sanitizer keeps freed memory back and is many times slower.
export const sanitised = fs.existsSync(sallyport) && ['__asan_init', '__tsan_init'].some(name => fs.readFileSync(sallyport).includes(name))

// A folder that goes away with the test process, whatever becomes of the tests.
export function temporary(name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `sallyport-${name}-`))
  if (!process.env.SALLYPORT_KEEP) process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

// Another name becomes the file in one step, as a careful operator would do it: a watcher never sees half of it.
export function replace(file, content) {
  fs.writeFileSync(`${file}.new`, content)
  fs.renameSync(`${file}.new`, file)
}

// A port that is free now. All files of tests share the machine, so each process keeps to its own range.
let next = 10000 + (process.pid % 220) * 100
export async function port() {
  for (let tries = 0; tries < 200; tries++) {
    const candidate = next++
    const free = await new Promise(resolve => {
      const server = net.createServer().once('error', () => resolve(false))
      server.listen(candidate, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return candidate
  }
  throw new Error('no free port')
}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

// Polls until `probe` gives something true, and returns that.
export async function until(what, probe, ms = 10000) {
  const deadline = Date.now() + ms
  for (;;) {
    const value = await probe()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms for ${what}`)
    await sleep(20)
  }
}
