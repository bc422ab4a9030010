/*
 * Does what it can to steer the terminal of whoever looks at it, or to keep him busy: a function, a
 * source file and a string with escape sequences, a symbol that stands for a name of gigabytes, and
 * a list of loaded objects that goes round in a circle (from SIGUSR1 on). Tests run it under a path
 * that is no better.
 */
// BUILD: -rdynamic -Wa,--no-warn
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

char message[] = "tab\t\033]0;owned\a\033[31mred\302\2331m";
const char *text = message;
struct {
    char letters[8];
    char letter;
} forged = {"\033[31m", '\033'};

/* Each S<n>_ is the one before, twice. */
#define BOMB                                                                           \
    "_Z1f1AIiiE"                                                                       \
    "S_IS0_S0_ES_IS1_S1_ES_IS2_S2_ES_IS3_S3_ES_IS4_S4_ES_IS5_S5_ES_IS6_S6_ES_IS7_S7_E" \
    "S_IS8_S8_ES_IS9_S9_ES_ISA_SA_ES_ISB_SB_ES_ISC_SC_ES_ISD_SD_ES_ISE_SE_ES_ISF_SF_E" \
    "S_ISG_SG_ES_ISH_SH_ES_ISI_SI_ES_ISJ_SJ_ES_ISK_SK_ES_ISL_SL_ES_ISM_SM_ES_ISN_SN_E" \
    "S_ISO_SO_ES_ISP_SP_ES_ISQ_SQ_ES_ISR_SR_ES_ISS_SS_ES_IST_ST_ES_ISU_SU_ES_ISV_SV_E" \
    "S_ISW_SW_ES_ISX_SX_E"
__asm__(".globl \"evil\\033[31m\\nname\"\n.type \"evil\\033[31m\\nname\", @function\n"
        ".set \"evil\\033[31m\\nname\", linger\n"
        ".globl " BOMB "\n.type " BOMB ", @function\n.set " BOMB ", outer\n");

#line 1 "evil\033]0;owned\a\033[31m.c"
static __attribute__((noinline, used)) int linger(int depth)
{
    char local[] = "\033[31mlocal";
    text = local;
    while (pause() < 0)
        continue;
    return depth + local[0];
}

static __attribute__((noinline, used)) int outer(int depth)
{
    return linger(depth + 1) + 1;
}

static void forge(int signal)
{
    struct link_map *last = _r_debug.r_map;
    while (last->l_next)
        last = last->l_next;
    last->l_next = _r_debug.r_map->l_next;
    (void)!write(1, signal ? "forged\n" : "", 7);
}

int main(void)
{
    signal(SIGUSR1, forge);
    printf("ready\n");
    fflush(stdout);
    return outer(0);
}
