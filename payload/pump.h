/*
 * Carries bytes between a stream of the program's, of any kind, and a socket of ours, on a thread
 * of the program that waits in any case.
 */
#ifndef PAYLOAD_PUMP_H
#define PAYLOAD_PUMP_H

/*
 * Until our socket's other end is closed and all that came from there is written, or the stream
 * takes nothing for OUTPUT_STALL_MS after that. The end of the stream's input is passed on. Raises
 * no SIGPIPE for a socket; a terminal or a pipe may block for as long as it does.
 */
void pump_run(int stream, int socket);

#endif
