// SPDX-License-Identifier: GPL-3.0-or-later
// policy/ as a process: tests/e2e/drivers/policy.c, a line of JSON in, a line out.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import v8 from 'node:v8'
import { sallyport } from './files.mjs'

// Node 18 and 20 now and then die at taking back an optimisation of what makes the questions ("unreachable code" in the deoptimizer); it is fast
// enough without any. WebAssembly has a compiler of its own.
v8.setFlagsFromString('--no-opt')

export class Driver {
  constructor() {
    this.process = spawn(path.join(path.dirname(sallyport), 'tests/e2e/drivers/policy'), { stdio: ['pipe', 'pipe', 'inherit'] })
    this.process.stdin.on('error', () => {}) // its end is seen on the other pipe
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]()
  }

  async ask(question) {
    this.process.stdin.write(`${JSON.stringify(question)}\n`)
    const { value, done } = await this.lines.next()
    assert.ok(!done, `the driver ended at: ${JSON.stringify(question).slice(0, 4000)}`)
    return JSON.parse(value)
  }

  end() {
    this.process.stdin.end()
  }
}
