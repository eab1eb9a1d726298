#include "lib/site/step.h"

#include "lib/store/tool.h"

#define OUTPUT_MAX ((size_t)1 << 30)

int
vm_step_run(struct vm_store *store, const struct vm_step *step,
    const struct vm_site_options *options, struct vm_records *out,
    struct vm_error *err)
{
	const struct vm_tool tool = { .program = step->program,
		.args = step->args,
		.directory = step->directory,
		.jobs = step->parallel ? options->jobs : 0,
		.verbose = options->verbose,
		.quiet = options->quiet,
		.input = step->input };

	return vm_tool_run(store, &tool, out, err);
}

int
vm_step_format(const struct vm_records *records, struct vm_buf *out,
    struct vm_error *err)
{
	out->max = OUTPUT_MAX;
	for (size_t i = 0; i < records->count; i++) {
		if (vm_json_format(records->items[i], false, out, err) == -1 ||
		    vm_buf_add(out, "\n", 1, err) == -1)
			return -1;
	}
	return 0;
}
