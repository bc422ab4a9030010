/*
 * The mailbox: one page inside the target, in memory of our own, through which manhole-attach, the
 * stub (which runs on the borrowed thread) and the bootstrap code (which runs on the new thread)
 * talk. Each word has one writer; it is written last, after what it announces. Included by C and by
 * the assembly of arch/, which knows the fields by their offsets.
 */
#ifndef INJECTOR_MAILBOX_H
#define INJECTOR_MAILBOX_H

/* Offsets in bytes. Written by the stub: */
#define MAILBOX_DONOR_STATE 0    /* u32, enum donor_state */
#define MAILBOX_CREATE_RESULT 4  /* i32, what pthread_create returned: 0 or an errno */
#define MAILBOX_STUB_THREAD 8    /* pthread_t of pthread_create */
#define MAILBOX_STUB_ATTR 16     /* pthread_attr_t, 56 bytes in glibc and musl; 128 for later */
#define MAILBOX_STUB_SCRATCH 144 /* 48 bytes: pending signals and a kernel sigaction */
/* Written by the bootstrap thread: */
#define MAILBOX_STATE 192  /* u32, enum bootstrap_state */
#define MAILBOX_TID 196    /* u32, its tid in the target's own pid namespace */
#define MAILBOX_FD 200     /* i32, the memfd, or -errno */
#define MAILBOX_RESULT 204 /* i32, what the function returned */
#define MAILBOX_CLOSED 208 /* u32, 1: dlclose was called and succeeded */
#define MAILBOX_HANDLE 216 /* u64, for dlclose; written by manhole-attach when loaded */
#define MAILBOX_SLEEP 224  /* struct timespec of its waits */
/* Written by the stub, first: the region is ours, and this is where its mailbox is. */
#define MAILBOX_MAGIC 240 /* u64, MAILBOX_MAGIC_VALUE xor its own address */
/* Written by manhole-attach: */
#define MAILBOX_ORDER 256        /* u32, enum bootstrap_order */
#define MAILBOX_ABANDON 260      /* u32, 1: nobody waits any more, clean up and end */
#define MAILBOX_DLOPEN_FLAGS 264 /* u32 */
#define MAILBOX_UNLOAD 268       /* u32, 1: dlclose after the function returned 0 */
#define MAILBOX_DLOPEN 272       /* u64 each: addresses of functions in the target */
#define MAILBOX_DLSYM 280
#define MAILBOX_DLERROR 288 /* 0: there is none (__libc_dlopen_mode) */
#define MAILBOX_DLCLOSE 296
#define MAILBOX_ARGUMENT_SIZE 304    /* u64 */
#define MAILBOX_FUNCTION_ADDRESS 312 /* u64; 0: dlsym finds it in what was just loaded */
#define MAILBOX_PATH 320             /* the name for dlopen, 64 bytes */
#define MAILBOX_FUNCTION 384         /* the name for dlsym, 640 bytes */
#define MAILBOX_MESSAGE 1024         /* the function's message, or the text of dlerror */
#define MAILBOX_MESSAGE_SIZE 1024
#define MAILBOX_ARGUMENT 2048
#define MAILBOX_ARGUMENT_MAX 2048
#define MAILBOX_SIZE 4096

#define MAILBOX_MAGIC_VALUE 0x6d616e686f6c6531 /* "manhole1" */

/* enum donor_state */
#define DONOR_AWAY 0   /* inside pthread_create */
#define DONOR_PARKED 1 /* ready to be fetched; vector registers are its own again */

/* enum bootstrap_state */
#define BOOTSTRAP_NONE 0
#define BOOTSTRAP_STARTED 1     /* waits for an order */
#define BOOTSTRAP_WANTS_IMAGE 2 /* made the memfd (or failed: MAILBOX_FD), waits for ORDER_OPEN */
#define BOOTSTRAP_LOADING 3     /* inside dlopen */
#define BOOTSTRAP_CALLING 4     /* inside the function */
#define BOOTSTRAP_UNLOADING 5   /* inside dlclose */
/* The states from here on are final: the thread is about to end. */
#define BOOTSTRAP_DONE 6
#define BOOTSTRAP_DLOPEN_FAILED 7 /* MAILBOX_MESSAGE has the text of dlerror, or "" */
#define BOOTSTRAP_DLSYM_FAILED 8
#define BOOTSTRAP_MEMFD_FAILED 9
#define BOOTSTRAP_ABANDONED 10 /* waited in vain for an order */

/* enum bootstrap_order */
#define ORDER_NONE 0
#define ORDER_LOAD 1 /* make a memfd, wait for ORDER_OPEN, load, call */
#define ORDER_CALL 2 /* call in what is loaded: MAILBOX_FUNCTION_ADDRESS */
#define ORDER_OPEN 3 /* the memfd is filled, MAILBOX_PATH names it */

#define BOOTSTRAP_WAIT_ROUNDS 10000 /* of a millisecond: how long it waits for an order */

#endif
