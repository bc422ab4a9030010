/* What libtcc 0.9.27 does wrong and can be put right from outside. */
#ifndef SRC_CREPL_LIBTCC_REPAIR_H
#define SRC_CREPL_LIBTCC_REPAIR_H

/* To be called before each compilation: forgets the labels of one that failed. */
void libtcc_repair_labels(void);

#endif
