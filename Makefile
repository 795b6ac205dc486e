# zdm: zero-downtime schema changes inside PostgreSQL
#
# Build, install and test targets, and the ordered lists of what the extension is made of.
#
#   make && make install          as with any PGXS extension (PG_CONFIG=... to choose the server)
#   make installcheck             regression tests against a running server
#   make check                    all tests in throwaway servers; installs nothing into the system's
#                                 PostgreSQL; SUITES="regress isolation tap", TESTS="name ..." to select
#   make check-all                the same on PostgreSQL 15, 17 and 18; VERSIONS="17 18" to select; those that are
#                                 not installed run in Debian trees, which takes root
#   make demo | bench             see test/demo and test/bench
#   make lint | indent | indent-check
#   make deps                     find or install what the targets above need

EXTENSION = zdm
MODULE_big = zdm
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" $(dir $(firstword $(MAKEFILE_LIST)))zdm.control)
MIN_PG = 15

# Where this Makefile lives; differs from the current folder in a VPATH build.
top := $(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST))))
in_top = $(sort $(patsubst $(top)/%,%,$(wildcard $(addprefix $(top)/,$(1)))))
names_in = $(basename $(notdir $(call in_top,$(1))))

# ---- what the module is made of, room by room, lowest layer first ----

SRCS = \
	src/core/args.c src/core/bookkeeping.c src/core/catalog.c src/core/cursor_row.c src/core/errors.c src/core/expression.c src/core/identity.c \
	src/core/image.c src/core/life.c src/core/pinned.c src/core/row_key.c src/core/session.c src/core/settings.c src/core/shmem.c src/core/text_errors.c src/core/time_dependence.c \
	src/throttle/contention.c src/throttle/pace.c src/throttle/yield.c src/throttle/wal_flush.c \
	src/throttle/activity.c src/throttle/api.c src/throttle/query.c src/throttle/settings.c src/throttle/threshold.c src/throttle/waiters.c src/throttle/window.c src/throttle/controller.c src/throttle/horizon.c src/throttle/lag_clock.c src/throttle/load.c \
	src/throttle/replication.c src/throttle/table.c src/throttle/wal.c src/run/hold.c src/run/horizon.c \
	src/job/api.c src/job/set_throttle.c src/job/interrupt.c src/job/job.c src/job/lock.c src/job/orders.c src/job/queue.c src/job/requeue.c src/job/submit.c src/job/undo.c src/job/visibility.c src/job/wait.c \
	src/run/pause.c src/run/run.c src/run/txn.c src/run/verdict.c \
	src/ddl/api.c src/ddl/ddl.c src/ddl/holders.c src/ddl/lock.c src/ddl/made.c src/ddl/portal.c \
	src/ddl/run.c src/ddl/spec.c src/ddl/statement.c src/ddl/targets.c src/ddl/toplevel.c src/ddl/wait.c src/ddl/watch.c \
	src/backfill/api.c src/backfill/backfill.c src/backfill/batch.c src/backfill/clause.c \
	src/backfill/cursor.c src/backfill/estimate.c src/backfill/leaf.c src/backfill/mapped.c \
	src/backfill/predicate.c src/backfill/proof.c src/backfill/quarantine.c src/backfill/query.c src/backfill/scan.c \
	src/backfill/spec.c src/backfill/statement.c src/backfill/stripe_scan.c src/backfill/stripes.c src/backfill/sweep.c \
	src/backfill/target.c src/backfill/xids.c \
	src/scan/function_versions.c src/scan/leaves.c src/scan/page_scan.c \
	src/violation/violation.c \
	src/mapping/arguments.c src/mapping/expression.c src/mapping/mapping.c src/mapping/require.c src/mapping/rights.c \
	src/sync/activity.c src/sync/api.c src/sync/decide.c src/sync/evaluate.c src/sync/install.c src/sync/program.c \
	src/sync/statement.c src/sync/sync.c \
	src/verify/api.c src/verify/leaf.c src/verify/proof.c src/verify/rows.c src/verify/sample.c src/verify/store.c src/verify/verify.c \
	src/constraint/api.c src/constraint/check.c src/constraint/facts.c src/constraint/fk.c src/constraint/fk_list.c \
	src/constraint/fk_merge.c src/constraint/fk_pages.c src/constraint/fk_parents.c src/constraint/fk_walk.c \
	src/constraint/guard.c src/constraint/hierarchy.c src/constraint/keyset.c \
	src/constraint/mark.c src/constraint/methods.c src/constraint/native.c src/constraint/plan.c \
	src/constraint/report.c src/constraint/sample.c \
	src/constraint/step.c src/constraint/store.c src/constraint/target.c src/constraint/validation.c \
	src/recipe/below.c src/recipe/do_ddl.c src/recipe/do_sql.c src/recipe/expression.c src/recipe/foreign_key.c src/recipe/holds.c \
	src/recipe/place.c src/recipe/plan.c src/recipe/preview.c src/recipe/retarget.c src/recipe/run.c \
	src/recipe/stage.c src/recipe/step.c src/recipe/store.c \
	src/explain/api.c src/explain/catalog.c src/explain/columns.c src/explain/constraints.c \
	src/explain/destructive.c src/explain/domains.c src/explain/facts.c src/explain/foreign_keys.c src/explain/grants.c src/explain/indexes.c src/explain/named_columns.c src/explain/named_objects.c src/explain/other.c \
	src/explain/partitions.c src/explain/refusal.c src/explain/rename.c src/explain/rights.c src/explain/table.c src/explain/taken_names.c src/explain/types.c \
	src/index/api.c src/index/check.c src/index/create.c src/index/definition.c src/index/duplicates.c src/index/index.c \
	src/index/mark.c src/index/partitions.c src/index/progress.c src/index/rebuild.c src/index/steps.c \
	src/index/store.c src/index/target.c \
	src/migration/adopt.c src/migration/constraints.c src/migration/custom.c src/migration/custom_step.c src/migration/estimate.c \
	src/migration/freeze.c src/migration/gates.c src/migration/invariant.c src/migration/invariants.c src/migration/migration.c \
	src/migration/on_error.c src/migration/open.c src/migration/orders.c src/migration/own_trigger.c src/migration/plan_steps.c src/migration/plan_view.c src/migration/publications.c src/migration/reverify.c src/migration/side.c \
	src/migration/stage.c src/migration/steps.c src/migration/submit.c src/migration/tracking.c src/migration/wait.c \
	src/migration/api_columns.c src/migration/build.c src/migration/carry_column.c src/migration/carry_constraint.c \
	src/migration/carry_default.c src/migration/carry_index.c src/migration/carry_policy.c src/migration/carry_statistics.c \
	src/migration/carry_trigger.c \
	src/migration/column.c src/migration/dependents.c src/migration/record.c src/migration/mapped.c src/migration/plan_add.c \
	src/migration/plan_drop.c src/migration/plan_rename.c src/migration/plan_type.c src/migration/rewrite.c \
	src/migration/rows.c \
	src/worker/dispatcher.c src/worker/kinds.c src/worker/launcher.c src/worker/list.c \
	src/worker/process.c src/worker/worker.c \
	src/zdm.c
HDRS = $(call in_top,src/*.h src/*/*.h)
OBJS = $(SRCS:.c=.o)
PG_CPPFLAGS = -I$(top)/src -DZDM_VERSION='"$(EXTVERSION)"'

# ---- the install script: its parts in the order they are run ----

SQL_PARTS = \
	src/core/core.sql \
	src/job/job.sql \
	src/throttle/throttle.sql \
	src/backfill/backfill.sql \
	src/verify/verify.sql \
	src/constraint/constraint.sql \
	src/recipe/recipe.sql \
	src/ddl/ddl.sql \
	src/explain/explain.sql \
	src/constraint/guard.sql \
	src/index/index.sql \
	src/worker/worker.sql \
	src/migration/migration.sql \
	src/migration/constraints.sql \
	src/sync/sync.sql \
	src/job/views.sql \
	src/throttle/views.sql \
	src/migration/views.sql \
	src/verify/views.sql \
	src/violation/violation.sql \
	src/migration/columns.sql

DATA_built = build/zdm--$(EXTVERSION).sql
DATA = $(call in_top,src/upgrade/zdm--*.sql)

# ---- tests; those that need zdm in shared_preload_libraries run in "make check" only ----

REGRESS_PRELOAD =
REGRESS = $(filter-out $(REGRESS_PRELOAD),$(call names_in,sql/*.sql))
ISOLATION_PRELOAD =
ISOLATION = $(filter-out $(ISOLATION_PRELOAD),$(call names_in,test/isolation/specs/*.spec))
ISOLATION_OPTS = --inputdir=$(top)/test/isolation
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

EXTRA_CLEAN = build

# ---- targets that need no server headers (they find or install them themselves) ----

DEV_GOALS = check check-all demo bench deps lint indent indent-check typedefs lists
GOALS = $(or $(MAKECMDGOALS),all)

ifeq ($(filter-out $(DEV_GOALS),$(GOALS)),)

.PHONY: $(DEV_GOALS)

check:
	@$(top)/test/check.sh
check-all:
	@$(top)/test/check_all.sh
demo:
	@$(top)/test/demo/run.sh
bench:
	@$(top)/test/bench/run.sh
deps:
	@$(top)/test/lib/deps.sh
lint:
	@$(top)/test/lint/run.sh
indent:
	@$(top)/test/lint/indent.sh
indent-check:
	@$(top)/test/lint/indent.sh check
typedefs:
	@$(top)/test/lint/typedefs.sh

# The lists above for scripts: one "NAME: words" line each.
lists:
	@echo 'regress: $(REGRESS) $(REGRESS_PRELOAD)'
	@echo 'isolation: $(ISOLATION) $(ISOLATION_PRELOAD)'
	@echo 'sources: $(SRCS)'
	@echo 'sql_parts: $(SQL_PARTS)'

else ifneq ($(filter $(DEV_GOALS),$(GOALS)),)

$(error run "make $(filter $(DEV_GOALS),$(GOALS))" in a make command of its own)

else # ---- PGXS ----

PG_CONFIG ?= pg_config
PG_MAJOR := $(shell $(PG_CONFIG) --version 2>/dev/null | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

ifeq ($(PG_MAJOR),)
$(error "$(PG_CONFIG)" cannot be run: install PostgreSQL $(MIN_PG) or newer with its server headers ("make deps"), or set PG_CONFIG)
endif
ifneq ($(shell test $(PG_MAJOR) -ge $(MIN_PG) && echo ok),ok)
$(error zdm needs PostgreSQL $(MIN_PG) or newer, but "$(PG_CONFIG)" belongs to PostgreSQL $(PG_MAJOR): set PG_CONFIG)
endif
ifeq ($(wildcard $(PGXS)),)
$(error the server headers of PostgreSQL $(PG_MAJOR) are missing: install them ("make deps"), or set PG_CONFIG)
endif

include $(PGXS)

# Any header may change any object: the project is small enough to rebuild all.
$(OBJS) $(OBJS:.o=.bc): $(addprefix $(top)/,$(HDRS)) | build/folders

build/folders:
	@mkdir -p build $(sort $(dir $(OBJS)))
	@touch $@

$(DATA_built): $(addprefix $(top)/,$(SQL_PARTS)) $(top)/Makefile $(top)/zdm.control | build/folders
	@{ printf '%s\n' '\echo Use "CREATE EXTENSION zdm" to load this file. \quit' && \
	   for part in $(addprefix $(top)/,$(SQL_PARTS)); do echo && cat "$$part" || exit 1; done; } >$@.new
	@mv $@.new $@

endif
