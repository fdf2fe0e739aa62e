/*
 * The order of the jobs in a set: by rank, then by id, or the other way round.
 *
 * A treap: a binary tree in the order of the jobs and, from the root down, in
 * that of a hash of their ids, which makes its shape random however they come,
 * and the same in every run. It takes two pointers a job, where a red-black
 * tree takes four, and jobs that come at one end and go at the other, as they
 * nearly all do, touch only its two edges. Costs are O(log n).
 */
#ifndef SYNCD_ENGINE_JOB_TREE_H
#define SYNCD_ENGINE_JOB_TREE_H

struct job;

/* In the job. */
struct job_link {
    struct job *before; /* the jobs below it that come before it, */
    struct job *behind; /* and behind it */
};

struct job_tree {
    struct job *root;
    struct job *first;
};

/* Its set, rank and id stand; no other in the tree has its id. */
void job_tree_add(struct job_tree *tree, struct job *job);

/* It is in the tree. */
void job_tree_remove(struct job_tree *tree, struct job *job);

/* NULL: it was the last one. */
struct job *job_tree_next(const struct job_tree *tree, const struct job *job);

#endif
