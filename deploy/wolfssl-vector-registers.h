/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Leave the vector registers clean behind wolfSSL's assembly.
 *
 * The single-precision P-256 code of wolfSSL 5.9 ends with the upper halves of the AVX registers dirty. On many
 * x86-64 processors each legacy-SSE instruction then waits for a merge with them, and SHA-256 (which is legacy SSE
 * where the processor has the SHA extensions) runs about 140 times slower until somebody executes vzeroupper. Every
 * token hash follows a proof verification, so this would be on the path of every request.
 *
 * wolfSSL brackets its vector code in SAVE_VECTOR_REGISTERS / RESTORE_VECTOR_REGISTERS, which do nothing in user
 * space unless defined. deploy/deps passes this file with -include when it builds wolfSSL; nothing else includes it.
 * Only the upper halves are cleared, and no x86-64 C code built without -mavx keeps values there.
 */
#ifndef SALLYPORT_WOLFSSL_VECTOR_REGISTERS_H
#define SALLYPORT_WOLFSSL_VECTOR_REGISTERS_H

#if !defined(__ASSEMBLER__) && defined(__x86_64__) && defined(__GNUC__)

static inline void sallyport_clear_upper_halves(void)
{
    if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vzeroupper" ::: "memory");
}

#define RESTORE_VECTOR_REGISTERS() sallyport_clear_upper_halves()

#endif
#endif
