/* Clients that are not served. */
#ifndef PAYLOAD_TURN_AWAY_H
#define PAYLOAD_TURN_AWAY_H

#include "payload/descriptor.h"

#include <stdbool.h>

/* Sends a line, if that is possible without waiting, and closes. */
void turn_away(struct descriptor *socket, const char *line);

/* True when one more may be logged: 5 in 10 seconds. Those beyond are counted, and the count is
   logged with the next one. For the listener's thread. */
bool turn_away_is_logged(void);

#endif
