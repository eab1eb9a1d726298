/* doctor_identity.c - see doctor.h: what VMs share and should have alone. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/host/doctor.h"
#include "lib/host/marks.h"
#include "lib/store/vm.h"

#define USED_BY "vmclone vmdeploy vmsched"
#define MORE 64 /* of a message that goes on with "..." */

/* One VM that is looked at; its record is somebody else's. */
struct subject {
	const struct vm_json *record;
	const char *name, *host;
	bool here, started;
	size_t order;
};

struct census {
	struct vm_records stored; /* of this host's store */
	struct subject *subjects;
	size_t count;
	bool many_hosts;
};

static void
release(struct census *census)
{
	vm_records_release(&census->stored);
	free(census->subjects);
}

/* ---- who is there ---- */

/* All VMs of the store; one with a damaged record is a finding. */
static int
load_store(struct vm_store *store, struct census *census,
    struct vm_records *findings, struct vm_error *err)
{
	VM_CLEAN_NAMES char **names = vm_store_list(store, VM_STORE_VMS, err);
	size_t i;

	if (names == NULL)
		return -1;
	for (i = 0; names[i] != NULL; i++) {
		struct vm_doctor_finding finding = { .check = "record",
			.used_by = USED_BY };
		struct vm_error failure = { 0 };
		struct vm_json *record = vm_vm_load(store, names[i], true,
		    &failure);

		if (record != NULL) {
			if (vm_records_add(&census->stored, record, err) == -1)
				return -1;
			continue;
		}
		if (failure.kind == VM_E_NO_INPUT) /* removed meanwhile */
			continue;
		if (failure.kind == VM_E_SYSTEM) { /* ours, not the VM's */
			*err = failure;
			return -1;
		}
		vm_doctor_say_error(&finding, VM_DOCTOR_LACKING, &failure);
		if (vm_doctor_add(findings, names[i], &finding, err) == -1)
			return -1;
	}
	return 0;
}

static void
add_subjects(struct census *census, const struct vm_records *records)
{
	char local[256] = "";
	size_t i;

	if (gethostname(local, sizeof(local) - 1) == -1)
		*local = '\0';

	for (i = 0; i < records->count; i++) {
		const struct vm_json *record = records->items[i];
		const char *name = vm_json_string(record, "name", "");

		if (!vm_record_is_kind(record, "vm") || *name == '\0' ||
		    vm_json_get(record, "identity") == NULL)
			continue;
		census->subjects[census->count] = (struct subject){
			.record = record,
			.name = name,
			.host = vm_json_string(record, "host", ""),
			.here = strcmp(vm_json_string(record, "host", local),
				    local) == 0,
			.started = vm_json_bool(record, "started", false),
			.order = census->count,
		};
		census->count++;
	}
}

/* By host, name and UUID: the same in all three is one VM, told twice. */
static int
compare_same(const struct subject *x, const struct subject *y)
{
	int order = strcmp(x->host, y->host);

	if (order == 0)
		order = strcmp(x->name, y->name);
	if (order == 0)
		order = strcmp(vm_json_string(x->record, "identity.uuid", ""),
		    vm_json_string(y->record, "identity.uuid", ""));
	return order;
}

static int
compare_told(const void *a, const void *b)
{
	const struct subject *x = a, *y = b;
	int order = compare_same(x, y);

	return order != 0 ? order : x->order < y->order ? -1 : 1;
}

/* Those that have run are left as they are, where one has to be changed. */
static int
compare_rank(const void *a, const void *b)
{
	const struct subject *x = a, *y = b;

	if (x->started != y->started)
		return x->started ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int
take_census(struct vm_store *store, const struct vm_records *records,
    struct census *census, struct vm_records *findings, struct vm_error *err)
{
	size_t i, kept = 0;

	if (store != NULL && load_store(store, census, findings, err) == -1)
		return -1;
	census->subjects = calloc(census->stored.count + records->count + 1,
	    sizeof(*census->subjects));
	if (census->subjects == NULL)
		return vm_error_nomem(err);
	add_subjects(census, &census->stored);
	add_subjects(census, records);
	qsort(census->subjects, census->count, sizeof(*census->subjects),
	    compare_told);
	for (i = 0; i < census->count; i++) {
		const struct subject *subject = &census->subjects[i];

		if (i > 0 && strcmp(subject->host, subject[-1].host) != 0)
			census->many_hosts = true;
		if (kept == 0 ||
		    compare_same(subject, &census->subjects[kept - 1]) != 0)
			census->subjects[kept++] = *subject;
	}
	census->count = kept;
	qsort(census->subjects, kept, sizeof(*census->subjects), compare_rank);
	return 0;
}

/* ---- what is said of one VM ---- */

/* "web-1", or "host-a/web-1" where there are VMs of several hosts. */
static void
label(const struct census *census, size_t vm, char out[VM_NAME_MAX + 260])
{
	const struct subject *subject = &census->subjects[vm];

	if (census->many_hosts)
		snprintf(out, VM_NAME_MAX + 260, "%.255s/%s", subject->host,
		    subject->name);
	else
		snprintf(out, VM_NAME_MAX + 260, "%s", subject->name);
}

/* Does the manifest give what is shared?  Then a copy would have it too. */
static bool
is_given(const struct subject *subject, enum vm_mark what)
{
	const struct vm_json *networks = vm_json_get(subject->record,
	    "spec.networks");
	const char *key = what == VM_MARK_MAC ? "mac" : "address";
	size_t i;

	if (what != VM_MARK_MAC && what != VM_MARK_ADDRESS)
		return false;
	for (i = 0; i < vm_json_count(networks); i++) {
		if (vm_json_get(vm_json_at(networks, i), key) != NULL)
			return true;
	}
	return false;
}

/*
 * The way to an identity of its own: a disk that has never run is made again,
 * by what made it; one that has run is copied, and the copy takes its place.
 */
static void
suggest(const struct subject *subject, struct vm_doctor_finding *finding)
{
	const char *name = subject->name;
	const char *alias = vm_json_string(subject->record, "image.alias", "");
	char fix[400];

	if (subject->started)
		snprintf(fix, sizeof(fix),
		    "vmclone --from %s %.61s-2 | vmcustomize | vmdeploy && "
		    "vmrm %s",
		    name, name, name);
	else if (vm_json_get(subject->record, "service") != NULL ||
	    *alias == '\0')
		snprintf(fix, sizeof(fix), "vmrm %s", name);
	else
		snprintf(fix, sizeof(fix),
		    "vmrm %s && vmclone --from %.80s %s | vmcustomize", name,
		    alias, name);
	if (subject->here)
		snprintf(finding->fix, sizeof(finding->fix), "%s", fix);
	else
		snprintf(finding->fix, sizeof(finding->fix), "ssh %.100s '%s'",
		    subject->host, fix);
}

/* "uuid, mac 52:54:...: as web-1; address ...: as web-2" */
static void
describe(const struct census *census, const struct vm_mark_shared *shared,
    size_t count, struct vm_doctor_finding *finding)
{
	char *out = finding->message, with[VM_NAME_MAX + 260];
	size_t size = sizeof(finding->message) - MORE, used = 0, i;

	for (i = 0; i < count && used < size; i++) {
		bool is_short = shared[i].what == VM_MARK_MAC ||
		    shared[i].what == VM_MARK_ADDRESS;

		used += (size_t)snprintf(out + used, size - used, "%s%s%s",
		    vm_marks_word(shared[i].what), is_short ? " " : "",
		    is_short ? shared[i].value : "");
		if (used >= size)
			break;
		label(census, shared[i].with, with);
		if (i + 1 < count && shared[i + 1].with == shared[i].with)
			used += (size_t)snprintf(out + used, size - used, ", ");
		else
			used += (size_t)snprintf(out + used, size - used,
			    ": as %s%s", with, i + 1 < count ? "; " : "");
	}
	if (used >= size)
		snprintf(out + size - 1, MORE, " ...");
}

/* The same for programs: [{"what":"mac","value":...,"with":...}, ...]. */
static int
add_details(const struct census *census, const struct vm_mark_shared *shared,
    size_t count, struct vm_json *record, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *all = vm_json_new_array();
	char with[VM_NAME_MAX + 260];
	size_t i;

	for (i = 0; i < count; i++) {
		struct vm_json *one = vm_json_new_object();

		if (vm_json_append(all, one, err) == -1)
			return -1;
		label(census, shared[i].with, with);
		if (vm_json_set_string(one, "what",
			vm_marks_word(shared[i].what), err) == -1 ||
		    vm_json_set_string(one, "value", shared[i].value, err) ==
			-1 ||
		    vm_json_set_string(one, "with", with, err) == -1)
			return -1;
	}
	return vm_json_set(record, "shared", VM_TAKE(all), err);
}

/* All that one VM shares with others that come before it. */
static int
add_finding(const struct census *census, const struct vm_mark_shared *shared,
    size_t count, struct vm_records *findings, struct vm_error *err)
{
	const struct subject *subject = &census->subjects[shared->vm];
	struct vm_doctor_finding finding = { .check = "identity",
		.used_by = USED_BY };
	char name[VM_NAME_MAX + 260];
	bool given = false, only_name = true;
	size_t i;

	for (i = 0; i < count; i++) {
		given |= is_given(subject, shared[i].what);
		only_name &= shared[i].what == VM_MARK_NAME;
	}
	describe(census, shared, count, &finding);
	finding.result = only_name ? VM_DOCTOR_NOTE : VM_DOCTOR_LACKING;
	if (!only_name && !given)
		suggest(subject, &finding);
	label(census, shared->vm, name);
	if (vm_doctor_add(findings, name, &finding, err) == -1)
		return -1;
	return add_details(census, shared, count,
	    findings->items[findings->count - 1], err);
}

/* ---- all of them ---- */

static int
add_all_well(const struct census *census, struct vm_records *findings,
    struct vm_error *err)
{
	struct vm_doctor_finding finding = { .check = "identity",
		.used_by = USED_BY };

	vm_doctor_say(&finding, VM_DOCTOR_OK, "%zu VMs have nothing in common",
	    census->count);
	return vm_doctor_add(findings, census->many_hosts ? "hosts" : "host",
	    &finding, err);
}

int
vm_doctor_check_identity(struct vm_store *store,
    const struct vm_records *records, struct vm_records *findings,
    struct vm_error *err)
{
	VM_CLEAN(release) struct census census = { .count = 0 };
	VM_CLEAN_MARKS struct vm_marks *marks = vm_marks_new(err);
	VM_CLEAN_FREE struct vm_mark_shared *shared = NULL;
	size_t count, i, end;

	if (marks == NULL ||
	    take_census(store, records, &census, findings, err) == -1)
		return -1;
	for (i = 0; i < census.count; i++) {
		if (vm_marks_add(marks, census.subjects[i].record, err) == -1)
			return -1;
	}
	if ((shared = vm_marks_compare(marks, &count, err)) == NULL)
		return -1;
	for (i = 0; i < count; i = end) {
		for (end = i + 1; end < count && shared[end].vm == shared[i].vm;
		     end++)
			;
		if (add_finding(&census, &shared[i], end - i, findings, err) ==
		    -1)
			return -1;
	}
	return count > 0 ? 0 : add_all_well(&census, findings, err);
}
