/*
 * overlay SECONDS - our overlays against QEMU's, on random disks.
 *
 * A trial makes two disks alike, twins that stand on the same files, and writes
 * the same bytes to both, one by lib/disk/overlay and one by qemu-io; then they
 * change hands.  After each round the bytes of both, read by us and by
 * qemu-img, are those of a third copy in memory, qemu-img and we map both alike
 * and find no fault and no leak in either.  At the end one of them goes on from
 * an internal snapshot, which we only read.  Sizes, clusters, features, what the
 * disks stand on and what is written follow from a seed, which is printed when
 * something differs: SEED=N runs that trial alone.
 *
 * Works in the current directory.  Ends with 0 and "N trials", or with 1.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/adapt/json.h"
#include "lib/base/buf.h"
#include "lib/base/clean.h"
#include "lib/base/fd.h"
#include "lib/base/proc.h"
#include "lib/disk/overlay.h"
#include "lib/disk/qcow2.h"

#define SECTOR 512u
#define PATTERN 4093 /* bytes, a prime: no place looks like another */
#define PATTERNS 4
#define OPS 12
#define DEPTHS 4

enum act { WRITE, ZERO, PACK };

struct op {
	enum act act;
	unsigned pattern;
	uint64_t offset, len;
};

/* A disk as it must be. */
struct model {
	unsigned char *bytes;
	uint64_t size;
};

struct trial {
	uint64_t seed, random;
	unsigned char patterns[PATTERNS][PATTERN];
	char below[32]; /* what the twins stand on; "" for nothing */
	const char *below_format;
	struct vm_qcow2_options options; /* of the twins */
	struct model model;
	char what[512]; /* for messages */
};

/* --- what goes wrong ------------------------------------------------------ */

static void differ(const struct trial *t, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

static void
differ(const struct trial *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("SEED=%llu: %s: ", (unsigned long long)t->seed, t->what);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	exit(1);
}

static void
must(const struct trial *t, int result, const struct vm_error *err)
{
	if (result == -1)
		differ(t, "%s: %s", err->code, err->message);
}

/* --- choices -------------------------------------------------------------- */

static uint64_t
choose(struct trial *t, uint64_t limit)
{
	t->random = t->random * 6364136223846793005u + 1442695040888963407u;
	return (t->random >> 33) % limit;
}

static bool
one_in(struct trial *t, uint64_t n)
{
	return choose(t, n) == 0;
}

static uint64_t
cluster_of(const struct trial *t)
{
	return (uint64_t)1 << t->options.cluster_bits;
}

/* Small, or some clusters; in the middle of things, at a border, at the end. */
static struct op
choose_op(struct trial *t, uint64_t size, uint64_t cluster)
{
	struct op op = { .act = one_in(t, 5) ? ZERO : WRITE,
		.pattern = (unsigned)choose(t, PATTERNS) };

	op.offset = choose(t, size);
	op.len = 1 + choose(t, one_in(t, 2) ? 4 * SECTOR : 3 * cluster);
	if (one_in(t, 3))
		op.offset -= op.offset % cluster;
	if (one_in(t, 3))
		op.len += cluster - op.len % cluster;
	if (one_in(t, 8))
		op.len = size / (1 + choose(t, 4));
	if (!one_in(t, 4)) {
		op.offset -= op.offset % SECTOR;
		op.len += SECTOR - op.len % SECTOR;
	}
	if (op.len > size - op.offset)
		op.len = size - op.offset;
	return op;
}

/* --- the copy in memory --------------------------------------------------- */

static void
new_model(struct trial *t, struct model *model, uint64_t size)
{
	model->bytes = calloc(1, size);
	model->size = size;
	if (model->bytes == NULL)
		differ(t, "no memory");
}

static void
fill_pattern(const struct trial *t, const struct op *op, unsigned char *to)
{
	for (uint64_t i = 0; i < op->len; i++)
		to[i] = op->act == ZERO ? 0 :
					  t->patterns[op->pattern][i % PATTERN];
}

static void
apply_model(const struct trial *t, const struct op *op, struct model *model)
{
	fill_pattern(t, op, model->bytes + op->offset);
}

static void
save(const struct trial *t, const char *file, const void *data, size_t len)
{
	VM_CLEAN_FD int fd = open(file,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct vm_error err = { 0 };

	if (fd == -1 || ftruncate(fd, (off_t)len) == -1)
		differ(t, "%s: %s", file, strerror(errno));
	must(t, vm_fd_pwrite(fd, data, len, 0, file, &err), &err);
}

/* --- QEMU's programs ------------------------------------------------------ */

static void
run(const struct trial *t, const char *const *argv, struct vm_buf *out)
{
	struct vm_proc_options options = { .argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.output_max = (size_t)16 << 20 };
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };
	struct vm_error err = { 0 };

	must(t, vm_proc_run(&options, &result, &err), &err);
	if (result.status != 0)
		differ(t, "%s %s ... %s: status %d: %s%s", argv[0], argv[1],
		    argv[2], result.status,
		    result.out.len > 0 ? result.out.data : "",
		    result.err.len > 0 ? result.err.data : "");
	if (out != NULL) {
		*out = result.out;
		result.out = (struct vm_buf){ 0 };
	}
}

static void
apply_qemu(const struct trial *t, const char *file, const struct op *ops,
    size_t count)
{
	static const char *const acts[] = { "write -s pattern-", "write -z",
		"write -c -s pattern-" };
	const char *argv[2 * OPS + 6] = { "qemu-io", "-f", "qcow2" };
	char commands[OPS][128];
	size_t n = 3;

	for (size_t i = 0; i < count; i++) {
		char pattern[2] = { (char)('0' + ops[i].pattern), '\0' };

		snprintf(commands[i], sizeof(commands[i]), "%s%s %llu %llu",
		    acts[ops[i].act], ops[i].act == ZERO ? "" : pattern,
		    (unsigned long long)ops[i].offset,
		    (unsigned long long)ops[i].len);
		argv[n++] = "-c";
		argv[n++] = commands[i];
	}
	argv[n++] = file;
	argv[n] = NULL;
	run(t, argv, NULL);
}

/* --- ours ----------------------------------------------------------------- */

static struct vm_overlay *
open_ours(const struct trial *t, const char *file,
    enum vm_overlay_access access)
{
	VM_CLEAN_FD int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct vm_error err = { 0 };
	struct vm_overlay *overlay = vm_overlay_open(dir, file, "qcow2", access,
	    &err);

	must(t, overlay == NULL ? -1 : 0, &err);
	return overlay;
}

static void
expect_read(struct trial *t, struct vm_overlay *overlay, uint64_t offset,
    uint64_t len)
{
	VM_CLEAN_FREE unsigned char *data = malloc(len + 1);
	struct vm_error err = { 0 };

	must(t, vm_overlay_read(overlay, data, len, offset, &err), &err);
	for (uint64_t i = 0; i < len; i++)
		if (data[i] != t->model.bytes[offset + i])
			differ(t,
			    "read %llu of %llu: byte %llu is %02x, not %02x",
			    (unsigned long long)len, (unsigned long long)offset,
			    (unsigned long long)(offset + i), data[i],
			    t->model.bytes[offset + i]);
}

/* Write, and look at what was written before and after it has gone out. */
static void
apply_ours(struct trial *t, const char *file, const struct op *ops,
    size_t count)
{
	VM_CLEAN_OVERLAY struct vm_overlay *overlay = open_ours(t, file,
	    VM_OVERLAY_WRITE);
	struct vm_error err = { 0 };

	for (size_t i = 0; i < count; i++) {
		VM_CLEAN_FREE unsigned char *data = malloc(ops[i].len);

		fill_pattern(t, &ops[i], data);
		must(t,
		    vm_overlay_write(overlay, data, ops[i].len, ops[i].offset,
			&err),
		    &err);
		if (one_in(t, 4))
			must(t, vm_overlay_flush(overlay, &err), &err);
	}
	for (size_t i = 0; i < 4; i++) {
		struct op op = choose_op(t, t->model.size, cluster_of(t));

		expect_read(t, overlay, op.offset, op.len);
	}
	must(t, vm_overlay_flush(overlay, &err), &err);
}

/* --- the comparison ------------------------------------------------------- */

/* For each sector of the disk: whose, and what. */
static void
mark(const struct trial *t, unsigned char *map, uint64_t offset, uint64_t len,
    enum vm_overlay_kind kind, unsigned depth)
{
	/* nobody cares which file does not hold it */
	if (kind == VM_OVERLAY_HOLE)
		depth = DEPTHS - 1;
	if (offset > t->model.size || len > t->model.size - offset ||
	    depth >= DEPTHS)
		differ(t, "a map beyond the disk's end");
	memset(map + offset / SECTOR, (int)(kind * DEPTHS + depth),
	    (size_t)(len / SECTOR));
}

static void
map_ours(const struct trial *t, struct vm_overlay *overlay, unsigned char *map)
{
	struct vm_overlay_extent extent;
	struct vm_error err = { 0 };

	for (uint64_t at = 0; at < t->model.size; at += extent.len) {
		must(t,
		    vm_overlay_map(overlay, at, t->model.size - at, &extent,
			&err),
		    &err);
		mark(t, map, at, extent.len, extent.kind, extent.depth);
	}
}

static void
map_qemu(const struct trial *t, const char *file, unsigned char *map)
{
	const char *const argv[] = { "qemu-img", "map", "--output=json", "-f",
		"qcow2", file, NULL };
	VM_CLEAN_BUF struct vm_buf out = { 0 };
	VM_CLEAN_JSON struct vm_json *json = NULL;
	struct vm_error err = { 0 };

	run(t, argv, &out);
	json = vm_json_parse(out.data, out.len, &err);
	must(t, json == NULL ? -1 : 0, &err);
	for (size_t i = 0; i < vm_json_count(json); i++) {
		const struct vm_json *e = vm_json_at(json, i);
		enum vm_overlay_kind kind = VM_OVERLAY_DATA;

		if (!vm_json_bool(e, "data", false))
			kind = vm_json_bool(e, "present", true) ?
			    VM_OVERLAY_ZERO :
			    VM_OVERLAY_HOLE;
		mark(t, map, (uint64_t)vm_json_int(e, "start", -1),
		    (uint64_t)vm_json_int(e, "length", -1), kind,
		    (unsigned)vm_json_int(e, "depth", 0));
	}
}

static void
expect_map(const struct trial *t, struct vm_overlay *overlay, const char *file)
{
	size_t sectors = (size_t)(t->model.size / SECTOR);
	VM_CLEAN_FREE unsigned char *ours = malloc(sectors);
	VM_CLEAN_FREE unsigned char *theirs = malloc(sectors);

	memset(ours, 0xee, sectors);
	memset(theirs, 0xdd, sectors);
	map_ours(t, overlay, ours);
	map_qemu(t, file, theirs);
	for (size_t i = 0; i < sectors; i++)
		if (ours[i] != theirs[i])
			differ(t,
			    "map of %s: sector %zu is %u for us, %u for "
			    "qemu-img (kind * %d + depth)",
			    file, i, ours[i], theirs[i], DEPTHS);
}

static void
expect_same(struct trial *t, const char *file, unsigned snapshots)
{
	const char *const check[] = { "qemu-img", "check", "-q", file, NULL };
	const char *const compare[] = { "qemu-img", "compare", "-q", "-f",
		"qcow2", "-F", "raw", file, "model.raw", NULL };
	VM_CLEAN_OVERLAY struct vm_overlay *overlay = open_ours(t, file,
	    VM_OVERLAY_READ);
	struct vm_overlay_check found = { 0 };
	struct vm_error err = { 0 };

	run(t, check, NULL);
	run(t, compare, NULL);
	if (vm_overlay_size(overlay) != t->model.size)
		differ(t, "%s: its size", file);
	must(t, vm_overlay_check(overlay, &found, &err), &err);
	if (found.leaked != 0)
		differ(t, "%s: %llu clusters leaked, says our check", file,
		    (unsigned long long)found.leaked);
	if (found.snapshots != snapshots)
		differ(t, "%s: its snapshots", file);
	expect_map(t, overlay, file);
	expect_read(t, overlay, 0, t->model.size);
}

/* --- a trial -------------------------------------------------------------- */

static void
make(struct trial *t, const char *file, const struct vm_qcow2_options *options)
{
	VM_CLEAN_FD int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0600);
	struct vm_error err = { 0 };

	must(t, vm_qcow2_create(fd, options, &err), &err);
}

/* Clusters are compressed where nothing is yet, so these come first. */
static size_t
choose_ops(struct trial *t, struct op *ops, uint64_t size, uint64_t cluster,
    bool is_fresh)
{
	size_t count = 0, some = 1 + choose(t, OPS);
	uint64_t len = cluster * (1 + choose(t, 3));

	if (is_fresh && one_in(t, 2))
		for (; count < some / 2 && (count + 1) * len <= size; count++)
			ops[count] = (struct op){ .act = PACK,
				.pattern = (unsigned)choose(t, PATTERNS),
				.offset = count * len,
				.len = len };
	for (; count < some; count++)
		ops[count] = choose_op(t, size, cluster);
	return count;
}

/* One file more below the twins, written by QEMU. */
static void
add_below(struct trial *t, unsigned level, struct model *model)
{
	struct vm_qcow2_options o = { .cluster_bits = 9 +
		    (unsigned)choose(t, 9),
		.backing_file = t->below[0] != '\0' ? t->below : NULL,
		.backing_format = t->below_format };
	struct model it;
	struct op ops[OPS];
	size_t count;
	char name[32];

	new_model(t, &it,
	    SECTOR * (1 + choose(t, one_in(t, 2) ? 2000 : 20000)));
	memcpy(it.bytes, model->bytes,
	    model->size < it.size ? model->size : it.size);
	free(model->bytes);
	*model = it;
	o.virtual_size = it.size;
	count = choose_ops(t, ops, it.size, (uint64_t)1 << o.cluster_bits,
	    true);
	snprintf(name, sizeof(name), "below-%u", level);
	make(t, name, &o);
	apply_qemu(t, name, ops, count);
	for (size_t i = 0; i < count; i++)
		apply_model(t, &ops[i], model);
	strcpy(t->below, name);
	t->below_format = "qcow2";
}

static void
add_raw(struct trial *t, struct model *model)
{
	new_model(t, model, SECTOR * (1 + choose(t, 4000)));
	for (unsigned i = 0; i < 5; i++) {
		struct op op = choose_op(t, model->size, 65536);

		apply_model(t, &op, model);
	}
	save(t, "below-raw", model->bytes, model->size);
	strcpy(t->below, "below-raw");
	t->below_format = "raw";
}

static void
choose_options(struct trial *t)
{
	struct vm_qcow2_options *o = &t->options;
	uint64_t clusters;

	o->cluster_bits = 9 + (unsigned)choose(t, one_in(t, 4) ? 13 : 8);
	o->lazy_refcounts = one_in(t, 3);
	o->extended_l2 = o->cluster_bits >= 14 && one_in(t, 2);
	o->backing_file = t->below[0] != '\0' ? t->below : NULL;
	o->backing_format = t->below_format;
	clusters = 1 + choose(t, o->cluster_bits > 16 ? 12 : 200);
	o->virtual_size = clusters * cluster_of(t);
	if (one_in(t, 2))
		o->virtual_size = SECTOR *
		    (1 + choose(t, o->virtual_size / SECTOR));
	if (o->cluster_bits < 11 && one_in(t, 4))
		o->virtual_size += (uint64_t)10 << 20; /* more tables */
}

static void
begin(struct trial *t, struct model *below)
{
	unsigned levels = (unsigned)choose(t, DEPTHS - 1);

	for (unsigned i = 0; i < PATTERNS; i++) {
		char name[] = "pattern-0";

		for (size_t k = 0; k < PATTERN; k++)
			/* half of its bits, so that it can be compressed */
			t->patterns[i][k] = (unsigned char)(choose(t, 256) &
			    0x55);
		name[strlen(name) - 1] = (char)('0' + i);
		save(t, name, t->patterns[i], PATTERN);
	}
	new_model(t, below, 1);
	if (levels > 0 && !one_in(t, 3)) {
		free(below->bytes);
		add_raw(t, below);
		levels--;
	}
	for (unsigned i = 0; i < levels; i++)
		add_below(t, i, below);
	choose_options(t);
	new_model(t, &t->model, t->options.virtual_size);
	memcpy(t->model.bytes, below->bytes,
	    below->size < t->model.size ? below->size : t->model.size);
	snprintf(t->what, sizeof(t->what),
	    "%llu bytes in clusters of %llu%s%s on %s of %llu",
	    (unsigned long long)t->model.size,
	    (unsigned long long)cluster_of(t),
	    t->options.lazy_refcounts ? ", lazy" : "",
	    t->options.extended_l2 ? ", extended" : "",
	    t->below_format != NULL ? t->below_format : "nothing",
	    (unsigned long long)below->size);
}

/* QEMU writes after a snapshot, which shares clusters with the disk. */
static void
go_on(struct trial *t, const char *file)
{
	const char *const snapshot[] = { "qemu-img", "snapshot", "-c", "one",
		file, NULL };
	struct op ops[OPS];
	size_t count = choose_ops(t, ops, t->model.size, cluster_of(t), false);

	run(t, snapshot, NULL);
	apply_qemu(t, file, ops, count);
	for (size_t i = 0; i < count; i++)
		apply_model(t, &ops[i], &t->model);
	save(t, "model.raw", t->model.bytes, t->model.size);
	expect_same(t, file, 1);
}

static void
try(uint64_t seed)
{
	static const char *const twins[] = { "a", "b" };
	struct trial t = { .seed = seed, .random = seed };
	struct model below;
	struct op ops[OPS];

	begin(&t, &below);
	make(&t, twins[0], &t.options);
	make(&t, twins[1], &t.options);
	for (unsigned round = 0; round < 3; round++) {
		/* in the first round all is QEMU's, on both of them */
		size_t count = choose_ops(&t, ops, t.model.size, cluster_of(&t),
		    round == 0);

		for (size_t i = 0; i < count; i++)
			apply_model(&t, &ops[i], &t.model);
		apply_qemu(&t, twins[round % 2], ops, count);
		if (round == 0)
			apply_qemu(&t, twins[1], ops, count);
		else
			apply_ours(&t, twins[(round + 1) % 2], ops, count);
		save(&t, "model.raw", t.model.bytes, t.model.size);
		expect_same(&t, twins[0], 0);
		expect_same(&t, twins[1], 0);
	}
	go_on(&t, twins[seed % 2]);
	free(t.model.bytes);
	free(below.bytes);
}

int
main(int argc, char *argv[])
{
	const char *only = getenv("SEED");
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
	uint64_t seed = (uint64_t)time(NULL) * 1000, trials = 0;

	if (only != NULL) {
		try(strtoull(only, NULL, 10));
		puts("1 trial");
		return 0;
	}
	printf("first seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	for (; time(NULL) < end; trials++)
		try(seed + trials);
	printf("%llu trials\n", (unsigned long long)trials);
	return 0;
}
