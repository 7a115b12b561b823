// SPDX-License-Identifier: GPL-3.0-or-later
// Memory that a process holds and does not need, for one that stands beside every workload. Nothing that is given back changes what a program sees:
//
// A thread's own variables. The cryptographic library keeps its tables of curve points in them, 1.5 MiB for each thread, and the C library writes zeroes over
// all of it when the thread begins, also for threads that never sign anything. Pages that hold nothing but zeroes go back; the kernel makes
// new ones of them when they are written to.
//
// The program's file. Its pages were mapped while it started, most of them for the neighbourhood's sake. They stay in the page cache, where all
// processes of the machine share them, and those that are needed come back at the first touch.
#ifndef SALLYPORT_NET_SPARE_H
#define SALLYPORT_NET_SPARE_H

// Of the calling thread.
void gw_spare_thread(void);
// Of the process; once it has started.
void gw_spare_program(void);

#endif
