"""Mutants that a check lets pass because they are right too.

A row holds for the mutants of its tasks in whose `change` all the given parts stand, and says what
makes them right.
"""

RIGHT = [
    (
        ["1.3", "3.2", "4.2", "6.1", "7.1", "8.1", "10.1", "10.3"],
        ["without input_name="],
        "The name of an input is free: the container does not see it.",
    ),
    (
        ["1.3", "3.2", "4.2", "6.1", "7.1", "8.1", "10.1", "10.3", "13.3"],
        ["constant: ProcessingInput input_name=: "],
        "The name of an input is free: the container does not see it.",
    ),
    (
        ["1.4", "3.5", "4.2", "6.1", "10.3"],
        ["without output_name="],
        "The name of an output is free: the SDK makes one where there is none.",
    ),
    (
        ["1.4", "3.5", "4.2", "6.1", "10.3"],
        ["constant: ProcessingOutput output_name=: "],
        "The name of an output is free: the container does not see it.",
    ),
    (
        ["1.3", "4.2", "7.1", "10.1", "12.1"],
        ["ProcessingInput source=: ", "}/' -> without part 1"],
        "The folder without the slash is a prefix too, and nothing else in the bucket begins so.",
    ),
    (
        ["1.3", "4.2", "7.1", "10.1", "12.1"],
        ["constant: ProcessingInput source=: '/' -> ''"],
        "The folder without the slash is a prefix too, and nothing else in the bucket begins so.",
    ),
    (
        ["10.3"],
        ["ProcessingInput source=: ", '}/" -> without part 1'],
        "The folder without the slash is a prefix too, and nothing else in the bucket begins so.",
    ),
    (["11.2"], ["order: : digits = digits.replace("], "The two columns do not need each other."),
    (
        ["1.7"],
        ["without argument 1"],
        "Without a session S3Downloader makes one of its own, for the same account.",
    ),
    (
        ["1.7"],
        ["'/DataProcessed/' -> '/DataProcessed'"],
        "The prefix without the slash lists the same objects.",
    ),
    (["1.7"], ["without part 2"], "It lists the whole bucket, and the six arrays with it."),
    (
        ["1.1"],
        ["re.search(", "without argument 2"],
        "The line with TensorFlow is the first one of the file, where ^ matches without re.M.",
    ),
    (
        ["1.2"],
        ["-> 'script_processing'"],
        "shutil.copy takes a folder too, and keeps the name of the file.",
    ),
    (
        ["2.2", "5.1"],
        ["env('SM_", "without argument 1"],
        "What an argument is where SageMaker sets no variable is free.",
    ),
    (
        ["2.2", "5.1"],
        ["constant: env: '/opt/ml/"],
        "What an argument is where SageMaker sets no variable is free.",
    ),
    (["5.1"], ["statement: : keras.utils.set_random_seed"], "The task does not ask for a seed."),
    (
        ["3.4", "6.2", "12.2"],
        ["statement: : os.makedirs(args.output"],
        "SageMaker makes the folder of each output before the script starts.",
    ),
    (["3.4", "6.2", "12.2"], ["json.dump indent=: 2 -> "], "How JSON is indented is free."),
    (["7.2"], ["'.npz' -> ''"], "np.savez adds .npz to a name without it."),
    (
        ["8.2"],
        ["sys.path.insert: 0 -> "],
        "No other folder of the job has a voc: the place on sys.path does not matter.",
    ),
    (["12.2"], ["nthread"], "How many threads XGBoost takes is free."),
    (
        ["12.2"],
        ["xgboost.Booster({'nthread': 1}) -> without argument 0"],
        "How many threads XGBoost takes is free.",
    ),
    (
        ["3.3", "6.2"],
        ["name: shutil.copyfileobj: shutil -> tarfile"],
        "tarfile has a copyfileobj that does the same.",
    ),
    (
        ["6.3"],
        ["logStreamNamePrefix=: '/' -> ''"],
        "The names of the SDK's jobs are all of one length, so no other one begins like this one.",
    ),
    (
        ["2.4"],
        ["argument: model.fit callbacks=: keras.callbacks.ModelCheckpoint(", "without monitor="],
        "ModelCheckpoint looks at val_loss by itself.",
    ),
    (
        ["2.4", "5.3"],
        ["swap: model.fit callbacks=: ["],
        "Callbacks that do not need each other may come in any order.",
    ),
    (
        ["2.4", "5.3"],
        ["constant: model.fit verbose=: 0 -> "],
        "How much Keras itself prints is free.",
    ),
    (
        ["7.3"],
        ["without argument 1"],
        "Without a session S3Downloader makes one of its own, for the same account.",
    ),
    (
        ["7.3"],
        ["S3Downloader.list: f'{sharded}/' -> without part 1"],
        "The prefix without the slash lists the same objects.",
    ),
    (["3.2"], ["swap: inputs =: [ProcessingInput(", "elements"], "Inputs come in any order."),
    (
        ["5.2"],
        ["'checkpoint_local_path' -> "],
        "Where no folder is given, SageMaker takes this one.",
    ),
    (
        ["5.2"],
        ["'checkpoint_local_path':: '/opt/ml/checkpoints' -> ''"],
        "Where no folder is given, SageMaker takes this one.",
    ),
    (
        ["5.2"],
        ["pair: checkpointing =", "without 'checkpoint_local_path'"],
        "Where no folder is given, SageMaker takes this one.",
    ),
    (
        ["5.2"],
        ["'max_wait':: 7200 -> 14400"],
        "Any time that is not shorter than max_run will do.",
    ),
    (
        ["5.4"],
        ["S3Downloader.list: f'{estimator.checkpoint_s3_uri}/' -> without part 1"],
        "The prefix without the slash lists the same objects.",
    ),
    (
        ["5.4"],
        ["argument: below =: S3Downloader.list(", "without argument 1"],
        "Without a session S3Downloader makes one of its own, for the same account.",
    ),
    (
        ["5.4"],
        ["statement: : checkpoints = [] -> none"],
        "On instances, which the check asks for, the last line sets it.",
    ),
    (
        ["2.6"],
        ["TensorFlow base_job_name=: 'training' -> "],
        "What the job is called is free.",
    ),
    (
        ["2.6"],
        ["argument: estimator =: TensorFlow(", "without base_job_name="],
        "What the job is called is free.",
    ),
    (
        ["2.6"],
        ["argument: estimator =: TensorFlow(", "without sagemaker_session="],
        "Without a session the estimator makes a fitting one, by its instance type.",
    ),
    (["2.1", "13.2"], ["swap: channels =: (", "elements"], "Channels come in any order."),
    (["2.5"], ["swap: metric_definitions =: [", "elements"], "Metrics come in any order."),
    (
        ["10.1"],
        ["swap: sklearn_processor.run outputs=: [ProcessingOutput(", "elements"],
        "Outputs come in any order.",
    ),
    (
        ["9.2"],
        ["swap: batch_processor.run arguments=: [", "elements"],
        "Arguments with names come in any order.",
    ),
    (
        ["13.4"],
        ["pipeline.upsert(role_arn=role) -> none"],
        "The pipeline of before is still in SageMaker, and it is the same one.",
    ),
    (
        ["13.4"],
        ["order: : pipeline.upsert(role_arn=role) <-> execution = "],
        "The pipeline of before is still in SageMaker, and it is the same one.",
    ),
    (
        ["13.4"],
        ["element: Pipeline steps=: [", "without element 0"],
        "The SDK adds the steps whose properties the others read.",
    ),
    (
        ["13.4"],
        ["element: Pipeline steps=: [", "without element 1"],
        "The SDK adds the steps whose properties the others read.",
    ),
    (["13.4"], ["swap: Pipeline steps=: [", "elements"], "The properties make the order."),
    (["13.4"], ["swap: Pipeline parameters=: [", "elements"], "Parameters come in any order."),
    (
        ["13.4"],
        ["without pipeline_experiment_config="],
        "The SDK takes this very configuration where none is given.",
    ),
    (["14.3"], ["without approval_status="], "Without it, a version begins as pending too."),
    (["14.2"], [": ValueError"], "What an error says is free."),
    (
        ["14.4"],
        ["argument: FailStep error_message=: ", "without on="],
        "What stands between the numbers of the message is free.",
    ),
    (["14.4"], ["swap: Join values=: [", "elements"], "The order of the words is free."),
    (["14.4"], ["constant: Join values=: "], "The words beside the numbers are free."),
    (
        ["14.4"],
        ["element: Join values=: [", "without element 0"],
        "The words beside the numbers are free.",
    ),
    (
        ["14.4"],
        ["element: Join values=: [", "without element 2"],
        "The words beside the numbers are free.",
    ),
    (
        ["14.5"],
        ["statement: : client.update_model_package(", "-> none"],
        "The version is approved already, from before.",
    ),
    (
        ["14.5"],
        ["argument: : client.update_model_package(", "without ModelApprovalStatus="],
        "The version is approved already, from before.",
    ),
    (
        ["14.5"],
        ["argument: : client.update_model_package(", "without ApprovalDescription="],
        "The reason of before stays with the version.",
    ),
    (
        ["14.5"],
        ["constant: client.update_model_package ApprovalDescription=: ", "-> 'Approved'"],
        "What the reason says is free.",
    ),
    (
        ["14.5"],
        ["constant: client.update_model_package ApprovalDescription=: ", "few.x'"],
        "What the reason says is free.",
    ),
    (["15.1"], ["without SortBy="], "The registry sorts by the time of creation by itself."),
    (["15.1"], [": f'No version of "], "What it says where none is approved is free."),
    (["15.1"], ["constant: : 'No version of "], "What it says where none is approved is free."),
    (["15.1"], ["constant: : ' is approved: "], "What it says where none is approved is free."),
    (["15.1"], ["name: : versions -> client"], "What it says where none is approved is free."),
    (
        ["15.1"],
        ["statement: : assert versions, ", "-> none"],
        "Where none is approved, the next line stops too.",
    ),
    (
        ["16.2"],
        ["without sagemaker_session="],
        "Without a session Predictor makes one of its own, for the same account.",
    ),
    (["16.3"], ["constant: range: 200 -> 201"], "One request more does no harm."),
    (
        ["16.4"],
        ["production_variant(challenger_model, ", "without initial_weight="],
        "The weight of a variant is 1 by itself.",
    ),
    (
        ["16.4"],
        ["swap: variants =: [production_variant(", "elements 0 and 1"],
        "Variants come in any order.",
    ),
    (
        ["16.4"],
        ["constant: production_variant: 1 -> 0"],
        "The SDK asks for one machine where the number is 0.",
    ),
    (
        ["16.4"],
        ["production_variant(challenger_model, ", "without argument 2"],
        "The SDK asks for one machine where no number is given.",
    ),
    (
        ["16.5"],
        ["order: : client.delete_endpoint("],
        "An endpoint has a copy of its configuration, which may be deleted before it.",
    ),
    (["16.5"], ["swap: : (", "elements 0 and 1"], "What is deleted first is free."),
]
