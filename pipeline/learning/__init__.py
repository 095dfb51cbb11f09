"""Everything that changes weights: what learns, how, and what holds it back.

To read first: options, tuning, tuning_steps, freezing; the others when they are called.

loop              one training run: objective, terms, penalty, optimizer, observer
ranks             several processes that share it
ray_ranks         those of a training that a Ray task has begun
shards            what each of them reads of a batch, and what it counts for
callbacks         what happens beside it
checkpoints       checkpoints known to be whole
freezing          which layers learn, from which step on, and how fast
adaptation        masked language modelling on informal text
text_selection    informal texts that are near the reviews
distillation      a model as it was before adaptation as its teacher
emoji_prediction  [CLS] tells the emoji of a text, all of them hidden
held_states       what tuning is to leave where it was
regularisers      what holds weights to where they were
fisher            how much each weight matters to what a model knew
general_text      text without labels, read beside the reviews
contrastive       texts of a class drawn together
domain_adversary  domains that are not to be told apart
tuning            one tuning on reviews, a fold held out
tuning_terms      what it learns from beside its labels
tuning_steps      its batches, weights, loss and logits
features          a head fitted on the frozen encoder
options           settings in groups, as trainings ask for them
frontier          blends of base and tuned, and the choice among them
trackers          what follows a run in tensorboard, trackio, wandb or mlflow
frozen_cache      states of a model, or of its frozen layers, computed once a text; what batches are made of
embedding_subset  the embedding rows that are read, alone
lora              LoRA adapters
head_restoration  an MLM head for a base without one
scratch           a base from nothing
"""
