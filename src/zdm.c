/*
 * zdm.c
 *	  Entry of the library: settings, shared memory, launcher.
 */
#include "postgres.h"

#include "core/life.h"
#include "core/settings.h"
#include "fmgr.h"
#include "job/queue.h"
#include "migration/stage.h"
#include "recipe/stage.h"
#include "sync/sync.h"
#include "throttle/settings.h"
#include "worker/launcher.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

/* Called once in each process that loads the library. */
void
_PG_init(void)
{
	zdm_throttle_settings_define();
	zdm_settings_define();
	zdm_life_init();
	zdm_queue_init();
	zdm_recipe_init();
	zdm_stage_init();
	zdm_sync_init();
	zdm_launcher_register();
}
