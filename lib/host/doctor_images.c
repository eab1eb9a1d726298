/* doctor_images.c - see doctor.h: masters that are not as they were fetched. */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"
#include "lib/disk/raw.h"
#include "lib/host/doctor.h"
#include "lib/store/alias.h"
#include "lib/store/image.h"
#include "lib/store/pin.h"

#define CHUNKS_MAX ((size_t)64 << 20)
#define DIGEST 64 /* of an image's id: "-1" may follow */

struct master {
	struct vm_store *store;
	const char *id;
	char file[VM_IMAGE_ID + 16]; /* <id>.raw */
	bool is_needed;		     /* a VM that is mended waits for it */
	const char *patient;	     /* that VM, or NULL */
	bool differs;		     /* bytes that are not as fetched */
	bool is_gone;		     /* not in the store (any more) */
	ino_t inode;		     /* of that; 0: it is missing */
	char *source;		     /* where it came from, or NULL */
	char *alias;		     /* whose generation it is, or NULL */
	struct vm_alias current;     /* what that means now */
	struct vm_pin pin;
};

static void
release(struct master *m)
{
	free(m->source);
	free(m->alias);
}

/* ---- looking ---- */

/* The master's chunks as they are now, against those noted when it was made. */
static int
compare(int dir_fd, const char *file, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf noted = { 0 };
	VM_CLEAN_BUF struct vm_buf found = { 0 };
	VM_CLEAN_FD int fd = -1;
	struct stat st;

	if (vm_fd_read_file(dir_fd, "chunks", CHUNKS_MAX, &noted, err) == -1 ||
	    (fd = vm_fd_open_regular(dir_fd, file, err)) == -1) {
		if (err->kind == VM_E_NO_INPUT)
			err->kind = VM_E_DATA;
		return -1;
	}
	if (fstat(fd, &st) == -1)
		return vm_error_errno(err, errno, "%s", file);
	/* what is in memory may be better than what is on the disk */
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		vm_log(VM_LOG_INFO, "%s: read from memory perhaps", file);
	if (vm_raw_scan(fd, (uint64_t)st.st_size, &found, err) == -1)
		return -1;
	if (found.len == noted.len &&
	    memcmp(found.data, noted.data, noted.len) == 0)
		return 0;
	return vm_error_set(err, VM_E_DATA, "image_changed",
	    "its bytes are not those that were fetched");
}

/*
 * Has anybody a descriptor for writing to it?  Nobody gets a lease for reading
 * then (fcntl(2), F_SETLEASE); where there are none, nobody is known.
 */
static int
check_writers(int dir_fd, const char *file, struct vm_error *err)
{
	VM_CLEAN_FD int fd = vm_fd_open_regular(dir_fd, file, err);

	if (fd == -1)
		return -1;
	/* who comes just now is told by a signal that is ignored, not SIGIO */
	if (fcntl(fd, F_SETSIG, SIGURG) == -1)
		return vm_error_errno(err, errno, "%s", file);
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
		return fcntl(fd, F_SETLEASE, F_UNLCK) == -1 ?
		    vm_error_errno(err, errno, "%s", file) :
		    0;
	if (errno != EAGAIN)
		return 0;
	return vm_error_set(err, VM_E_TRY_AGAIN, "open_for_writing",
	    "another process has it open for writing");
}

/* Is it as fetched?  *sealed: it is, and had to be sealed again. */
static int
look(struct master *m, bool *sealed, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *image = vm_image_load(m->store, m->id,
	    err);
	VM_CLEAN_FD int dir_fd = -1;
	struct vm_error why = { 0 };

	*sealed = image == NULL;
	if (image == NULL && strcmp(err->code, "image_changed") != 0)
		return -1;
	dir_fd = vm_store_open_object(m->store, VM_STORE_IMAGES, m->id, &why);
	if (dir_fd != -1 && check_writers(dir_fd, m->file, &why) == 0 &&
	    compare(dir_fd, m->file, &why) == 0 &&
	    (image != NULL || vm_image_seal(m->store, m->id, &why) == 0))
		return 0;
	/* what was seen first says more, but for why it cannot be decided */
	m->differs = strcmp(why.code, "image_changed") == 0;
	if (image != NULL || why.kind == VM_E_INTERRUPTED ||
	    why.kind == VM_E_TRY_AGAIN)
		*err = why;
	return -1;
}

/* A disk that came with others is fetched with them, by their alias. */
static int
find_artifact(struct master *m, struct vm_error *err)
{
	unsigned disk;
	const char *whole = m->source == NULL ?
	    NULL :
	    vm_alias_artifact(m->source, &disk);
	const char *dash = m->alias == NULL ? NULL : strrchr(m->alias, '-');
	char *alias, *source;

	if (whole == NULL || disk == 1 || dash == NULL)
		return 0;
	source = vm_buf_printf(err, "%s", whole);
	alias = vm_buf_printf(err, "%.*s", (int)(dash - m->alias), m->alias);
	free(m->source);
	free(m->alias);
	m->source = source;
	m->alias = alias;
	if (source == NULL || alias == NULL)
		return -1;
	return vm_alias_resolve(m->store, alias, &m->current, err);
}

/* The alias that has it among its generations, best one that means it now. */
static int
find_alias(struct master *m, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(m->store, VM_STORE_ALIASES,
	    err);

	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		VM_CLEAN_JSON struct vm_json *json = vm_alias_load(m->store,
		    names[i], NULL);
		const struct vm_json *all = vm_json_get(json, "generations");
		struct vm_alias now;

		for (void *it = vm_json_first(all); it != NULL;
		     it = vm_json_next(all, it)) {
			const struct vm_json *one = vm_json_value(it);

			if (strcmp(vm_json_string(one, "id", ""), m->id) != 0 ||
			    vm_alias_resolve(m->store, names[i], &now, NULL) ==
				-1 ||
			    (m->alias != NULL && strcmp(now.id, m->id) != 0))
				continue;
			free(m->alias);
			free(m->source);
			m->alias = vm_buf_printf(err, "%s", names[i]);
			m->source = vm_buf_printf(err, "%s",
			    vm_json_string(one, "source", ""));
			m->current = now;
			if (m->alias == NULL || m->source == NULL)
				return -1;
		}
	}
	return names == NULL ? -1 : 0;
}

/* All that has to be known before it goes. */
static int
learn(struct master *m, struct vm_error *err)
{
	VM_CLEAN_FD int dir_fd = -1;
	struct stat st;

	if (m->is_gone)
		return find_alias(m, err) == -1 ? -1 : find_artifact(m, err);
	dir_fd = vm_store_open_object(m->store, VM_STORE_IMAGES, m->id, err);
	if (dir_fd == -1)
		return -1;
	if (fstatat(dir_fd, m->file, &st, AT_SYMLINK_NOFOLLOW) == 0)
		m->inode = st.st_ino;
	if (vm_pin_read(dir_fd, &m->pin, NULL) == -1)
		m->pin.pinned = true;
	return find_alias(m, err) == -1 ? -1 : find_artifact(m, err);
}

/* Is it, or was it fetched with, what the alias stands for now? */
static bool
is_current(const struct master *m)
{
	return strncmp(m->current.id, m->id, VM_IMAGE_ID - 1) == 0;
}

/* ---- what stands on it ---- */

static bool
stands_on(const struct master *m, enum vm_store_dir dir, const char *name)
{
	VM_CLEAN_FD int fd = vm_store_open_object(m->store, dir, name, NULL);
	struct stat st;

	return fd != -1 &&
	    fstatat(fd, m->file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (m->inode == 0 || st.st_ino == m->inode);
}

static int
add_clones(const struct master *m, struct vm_records *findings,
    struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(m->store, VM_STORE_VMS,
	    err);

	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		struct vm_doctor_finding finding = { .check = "clone",
			.used_by = "vmdeploy" };

		if ((m->patient != NULL && strcmp(m->patient, names[i]) == 0) ||
		    !stands_on(m, VM_STORE_VMS, names[i]))
			continue;
		vm_doctor_say(&finding,
		    m->is_needed ? VM_DOCTOR_NOTE : VM_DOCTOR_LACKING,
		    "stands on the damaged image %.12s", m->id);
		snprintf(finding.fix, sizeof(finding.fix),
		    "vmdoctor --repair %.100s", names[i]);
		if (vm_doctor_add(findings, names[i], &finding, err) == -1)
			return -1;
	}
	return names == NULL ? -1 : 0;
}

/* The image and the layers on it: nothing new shall stand on them. */
static int
quarantine(const struct master *m, struct vm_error *err)
{
	VM_CLEAN_NAMES char **keys = NULL;

	if (m->is_gone)
		return 0;
	if (m->differs)
		vm_image_unseal(m->store, m->id);
	keys = vm_store_list(m->store, VM_STORE_LAYERS, err);
	if (keys == NULL || vm_image_quarantine(m->store, m->id, err) == -1)
		return -1;
	for (size_t i = 0; keys[i] != NULL; i++)
		if (stands_on(m, VM_STORE_LAYERS, keys[i]) &&
		    vm_publish_keep(m->store, VM_STORE_LAYERS, keys[i],
			VM_STORE_QUARANTINE, NULL, err) == -1)
			return -1;
	return 0;
}

/* ---- fetching it again ---- */

static int
run_vmfetch(const struct master *m, const char *const *args,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *root = vm_buf_printf(err, "VMPIPE_ROOT=%s",
	    m->store->root);
	const char *const env[] = { root, NULL };
	const struct vm_proc_options options = { .argv = args,
		.env = env,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1 };
	VM_CLEAN_PROC struct vm_proc_result result = { 0 };

	return root == NULL ? -1 : vm_proc_run_ok(&options, &result, err);
}

/* With its digest, its pin and its lease; the alias stays where it is. */
static int
fetch_again(const struct master *m, struct vm_error *err)
{
	VM_CLEAN_FREE char *checksum = vm_buf_printf(err,
	    "--checksum=sha256:%.64s", m->id);
	VM_CLEAN_FREE char *lease = vm_buf_printf(err, "--lease=%llus",
	    (unsigned long long)m->pin.lease_s);
	VM_CLEAN_FREE char *back = vm_buf_printf(err, "%s@%u", m->alias,
	    m->current.generation);
	const char *args[12] = { "vmfetch", "-q", "-a", m->alias, checksum };
	const char *const move[] = { "vmfetch", "-q", "-a", m->alias, "--",
		back, NULL };
	size_t n = 5;

	if (checksum == NULL || lease == NULL || back == NULL)
		return -1;
	if (m->pin.pinned)
		args[n++] = "--pin";
	if (m->pin.lease_s > 0)
		args[n++] = lease;
	args[n++] = "--";
	args[n++] = m->source;
	if (run_vmfetch(m, args, err) == -1)
		return -1;
	return is_current(m) ? 0 : run_vmfetch(m, move, err);
}

static void
mend(const struct master *m, struct vm_doctor_finding *finding,
    const char *what)
{
	struct vm_error err = { 0 };
	bool has_source = m->source != NULL && m->source[0] != '\0' &&
	    strcmp(m->source, "stdin") != 0;

	if (has_source)
		snprintf(finding->fix, sizeof(finding->fix),
		    "vmfetch --checksum sha256:%.64s %.400s", m->id, m->source);
	if (quarantine(m, &err) == -1)
		vm_doctor_say(finding, VM_DOCTOR_LACKING,
		    "%.200s; it cannot be put under quarantine: %.200s", what,
		    err.message);
	else if (!has_source ||
	    (!is_current(m) && !m->pin.pinned && !m->is_needed))
		vm_doctor_say(finding, VM_DOCTOR_LACKING, "%.400s%s", what,
		    m->is_gone ? "" : ": under quarantine");
	else if (fetch_again(m, &err) == -1)
		vm_doctor_say(finding, VM_DOCTOR_LACKING,
		    "%.200s%s; fetching it again: %.250s", what,
		    m->is_gone ? "" : ": under quarantine", err.message);
	else {
		finding->fix[0] = '\0';
		vm_doctor_say(finding, VM_DOCTOR_NOTE, "%.400s%s", what,
		    m->is_gone ? "; fetched again" :
				 ": under quarantine, fetched again");
	}
}

/* ---- all ---- */

/* Can it be mended?  A master that is not there can when it is needed. */
static bool
is_curable(struct master *m, const struct vm_error *failure)
{
	m->is_gone = failure->kind == VM_E_NO_INPUT ||
	    strcmp(failure->code, "image_quarantined") == 0;
	return m->is_gone ? m->is_needed : failure->kind == VM_E_DATA;
}

int
vm_doctor_check_master(struct vm_store *store, const char *id,
    const char *patient, struct vm_records *findings, struct vm_error *err)
{
	struct vm_doctor_finding finding = { .check = "master",
		.used_by = "vmclone" };
	struct master m VM_CLEAN(release) = { .store = store,
		.id = id,
		.patient = patient,
		.is_needed = patient != NULL };
	struct vm_error failure = { 0 };
	bool sealed;

	snprintf(m.file, sizeof(m.file), "%.70s.raw", id);
	if (look(&m, &sealed, &failure) == 0) {
		vm_doctor_say(&finding, VM_DOCTOR_OK, "as fetched");
		if (sealed)
			vm_doctor_say(&finding, VM_DOCTOR_NOTE,
			    "%.400s; its bytes are right: sealed again",
			    failure.message);
		return vm_doctor_add(findings, id, &finding, err);
	}
	if (failure.kind == VM_E_INTERRUPTED || failure.kind == VM_E_SYSTEM) {
		*err = failure;
		return -1;
	}
	if (strcmp(failure.code, "open_for_writing") == 0)
		vm_error_hint(&failure, "fuser -v %.300s/images/%.70s/%.80s",
		    store->root, id, m.file);
	if (!is_curable(&m, &failure)) {
		vm_doctor_say_error(&finding, VM_DOCTOR_LACKING, &failure);
		return vm_doctor_add(findings, id, &finding, err);
	}
	if (learn(&m, err) == -1)
		return -1;
	mend(&m, &finding, failure.message);
	if (vm_doctor_add(findings, id, &finding, err) == -1)
		return -1;
	return m.is_gone ? 0 : add_clones(&m, findings, err);
}

/* Whatever else this host does goes first. */
static void
become_idle(void)
{
	if (setpriority(PRIO_PROCESS, 0, 19) == -1 ||
	    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)) == -1)
		vm_log(VM_LOG_INFO, "priority: %m");
}

int
vm_doctor_check_images(struct vm_store *store, char *const *images,
    size_t count, struct vm_records *findings, struct vm_error *err)
{
	VM_CLEAN_NAMES char **ids = NULL;
	struct vm_alias image;

	become_idle();
	for (size_t i = 0; i < count; i++)
		if (vm_proc_check_stop(err) == -1 ||
		    vm_alias_resolve(store, images[i], &image, err) == -1 ||
		    vm_doctor_check_master(store, image.id, NULL, findings,
			err) == -1)
			return -1;
	if (count > 0)
		return 0;
	ids = vm_store_list(store, VM_STORE_IMAGES, err);
	for (size_t i = 0; ids != NULL && ids[i] != NULL; i++)
		if (vm_proc_check_stop(err) == -1 ||
		    vm_doctor_check_master(store, ids[i], NULL, findings,
			err) == -1)
			return -1;
	return ids == NULL ? -1 : vm_doctor_check_layers(store, findings, err);
}
