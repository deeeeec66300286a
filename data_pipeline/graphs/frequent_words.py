"""Frequent words of video captions, which a misspelt word is taken for."""

FREQUENT_WORDS = """
    woman with talking playing about person video people game girl some from someone singing into while show
    cartoon being showing dancing women there young black stage down white group food talks other something lady
    water shown walking music cooking song movie around sitting doing wearing baby riding another making shirt
    running screen plays their news ball clip guitar cutting that through blue speaking driving camera over
    giving girls each kitchen different front standing horse small shows then hair paper animated table kids
    bowl dress road room eating scene characters play this performing talk player character holding make band
    explaining looking green dish large basketball very slicing little three inside using computer fighting
    football soccer sports together players putting street children phone watching dance having going preparing
    child wrestling taking audience sings minecraft ingredients displaying hand outside they meat trying jumping
    chef speaks moving floor suit match various played field ground face tennis crowd cars beach piece fish
    couple back discussing them race getting bike piano monkey several chicken television voice guys walks cook
    makeup animal motorcycle describing many where mixing footage clips background pictures hands track shooting
    boys recipe female color which interview animals yellow house near interviewed like eggs discusses building
    baseball pieces potato brown explains what swimming working flying knife picture beautiful head vegetables
    dressed side animation wall sits stroller describes pink pool runs boat truck blonde pouring onion looks
    bread puts male scenes puppy short sing plate toys long behind across vehicle laughing next grass telling
    gives along program city rice drinking trailer adding displayed glass chair forest makes glasses walk
    machine snow live cuts microphone chopping demonstrating team fashion drives spongebob jumps gets film rides
    after games dogs fast airplane asian family prepare speech plane does funny away lego sauce peeling fire
    dark bunch home during between school frying folding onto dough racing judges conversation fight gameplay
    trampoline persons plastic model reporter reading kissing advertisement stands made door board stove things
    channel have mountain were work trees commercial four features slices applying indian high place competition
    tree watch stirring view shot drawing potatoes garlic images train dances court before jacket kitten
    soldiers ready bicycle recording store takes time laying goal still falling teaching performs body bear
    shrimp butter demonstrates carrot basket holds flute onions singer falls tiger open vegetable review area
    runway studio under horses bottle bird product river cloth rock host against look adds opening orange
    tutorial police ocean window when full language night concert pours here enjoying cake spoon world coat
    discuss first lying couch cleaning purple take wooden clothes star photo light photos drink cute wood angry
    throwing image hitting stand himself rope puppies older beside book liquid finger engine stick mirror ping
    keyboard tries hockey towards laptop pong friends others part boiling good appears models smiling
    performance birds restaurant goes wrestlers bill cooked pokemon container featuring interviewing grey jump
    lion coming foreign ride highlights meal cheese nice stadium action story noodles cats mouse event pizza
    cage well uses country mother taken desk spider metal mouth tricks line slow stairs gray drums sliced
    exercise climbing apple rolling instructions teams beauty dirt ring commentating videos carrying items moves
    movies demonstration students leaves perform segment letterman hill drive will tshirt motion washing science
    sleeping elephant milk sword half saying actor seen asking woods friend park commentary david life
    presenting dolls oven ladies style soup added posing skillet space disney thing been text parts shoots robot
    presentation brush throws pepper tail hits information slideshow freddy talent office crying mountains tank
    tomato professional party watches snake panda kind more prepares cream lake middle huge boxing president
    technology class opens teacher rain love narrator breaking item colored works filming practicing cube
    outdoors counter eyes doll rugby anime fence pulling obama places pasta cooks filled musical covered placing
    lifting athletes avengers chasing licking cartoons pushing parking flour japanese interviews frog clothing
    your series shop narrates living type used hanging famous super craft shots bridge cell speak comedy ship
    comes display report parked roof cucumber words placed classroom seasoning haired sexy squidward instrument
    skin military spices american helicopter demo multiple smoking kept garden fixing seeing colorful montage
    motor golf cheering feeding called skating money battle speed great poured reporting sign mobile prepared
    acting object silver starts volleyball both slide human reviewing lecture murray wrestler just products
    catch eats chopped sort slowly help waves flower herself seated colour drinks stirs pair mixes hamster panel
    device firing close says shopping bath dead serve questions website fireworks sunglasses past explain
    writing juice instruments painting move amazing beef origami clinton same spanish removing chops wears
    kicking tips lyrics flowers busy also kangaroo asks land hard points mask salt lights scores doctor hole
    paint streets balls dancers mortal cover sand bubble heavy right anchor driver path interior wear applies
    reviews couples interacting turns arms nature mixture pretty care vehicles pineapple online waving celebrity
    surfing serving shoot business carrots blowing motorcycles brunette wheel best dressing batman chili
    software youtube rocks number batter tells fall salad rabbit powder dresses fried outfit company topic
    popular test broccoli steps hugging earth point iron target graphics plants sugar experiment flies dragon
    driven celebrating accident helmet experience wedding father listening compilation legs exercising folds
    given swinging blender system discussion left pulls parrot garage five setting sidewalk colors actors foot
    scooter violin outdoor cricket done clear costume media shorts figure kiss hallway baking history stars
    chinese design course hold pointing artist peoples yard babies hall stunts cycle start really showcasing
    involving pets sofa training church monster kombat teenage narrating town attacking hero nail flips poses
    fans climbs subscribe floating buildings shaking pants rapping candy spiderman guns fold surrounded seat
    card uniform wild sound special african bikini seems catching trick giant christmas events meeting types
    boiled electronic english highway electric nails clapping scary beating stuff practice bald stunt watermelon
    soldier filmed attacks sponge tall blond deer swim somebody petting square stuck sheet reporters spinning
    skiing kicks politics rolls graphic picking without crashes exercises delicious yelling routine jeans round
    pole brushing grill touching wine reads auto polar competing viewers neck podium call pencil selfie process
    including actress come happy wave project cracking gymnastics figures meet skateboard ceiling jeep officer
    equipment hotel views fruit lays pirates times begins sweater give chairs french telephone pork weather logo
    hospital chocolate dinner bench vine filling followed attack tiny cast sims preview pushes scissors surface
    shoes sport picks jumped waiting british station curry typing mixed dinosaur faces coffee tire student
    contestant bedroom late stop education songs factory waterfall comments athlete suits political advertising
    stuffed laughs horror breaks trail weights octopus itself tofu traveling screaming desert flip above stirred
    market wars much reality checking skills winning jungle fell dishes coach held squirrel crash variety
    toddler cigarette singers hillary musicians power circles army entering shirts moon appear america foods
    monkeys celebrities starting shore tube rider sink public distance talked lots showed teaches shooter flag
    apply dolphin themselves judge empty yoga introducing honda passing feet episode laugh barking grand bottom
    slice clouds scientist eyebrows searching compete adults zebras motorbike badminton circle fingers
    commenting excited traffic outfits cards fake knocking sticks bottles biting named loris photographs
    daughter films matches letter lifts change striped arguing orchestra question mixer creating forth name
    certain quickly opponent contestants block toward mario presented legos gold diving upcoming teenagers wings
    teen conference squarepants math kick roll tools flooring thor cliff seeds pony strange carpet comedian
    scoring knocks drops spreading microwave ginger cabbage tomatoes parody find step deep bucket shark
    travelling individual weight lipstick cheer turtle learning mike bathroom college gate lemon bubbles
    gathered modeling club flight sunny preparation indoor badger bathtub books flat stream cool sequence
    creature rocket bathing frozen puppet ellen records mini details center travel apart guest chased catches
    spaghetti staring beard states check barbie beer fights sporting break brain smoke tracks stone bunny toilet
    construction hammer landing ramp krueger objects form bowls lips peels shoe flipping crazy skit globe mine
    activities beans containing pudding donald debate documentary weird patient list nose shape umbrella combing
    word costumes creatures base clean discussed bouncing edge peeled real took german adult latest covering
    gear chefs grassy grabs tigers robots package chop groups folded introduction snowy wins apron corner enjoy
    hollywood rifle bikes attractive kisses bright pass answering lunch trucks lions described taylor crashing
    removes slam pose than sleep scared press pans problem thrown karate styles control caught material string
    rode broth performed actions killing gorilla south injured pack plant mall health tortilla lemur bearded
    case tool underwater library newscaster speaker dunk newspaper paste cave gamer cowboy natural parents jimmy
    burning sounds rocky statue fancy arena changing enters purse captain danced sliding thin superman loaf hulk
    hedgehog loud flash sharing donkey spins regarding explained pirate tying only tied turning duck leopard
    tray displays elephants michael internet arts branch cheers acoustic turn attempting elderly because fishing
    blocks digital musician superhero signing medical intro stir tasting dunks shaving taste nasa asleep phil
    trump describe ways heads jack hood important issues benefits slides rubbing runners data vessel peppers
    workers gloves lines alien these operating blow monitor microphones highlight carefully tablet button random
    magic problems voices facial announcer draws feature particular want owner turtles guitars papers wheels
    instructional safety keeping planet testing react styling aquarium heart squid marching breakfast paws
    refrigerator twinkle fishes locations pitcher sumo iphone walked cracks wrestle members throw backflip
    relationships role sandwich volley golden clay reports need towel specs john laser bell volkswagen tunnel
    carries beginning combat year tour landscape king village letters leather commentator sushi brushes mickey
    backpack bags kite polish level arrow sides hiking shower tornado wallaby boxes headphones modern following
    talkshow crossing ninja remove teens sets victory introduces future crawling covers princess touch accent
    digging theft lesson climb would lift fresh diagram tournament shouting attacked came swift smiles solving
    technique beat bollywood lobster island enemies contest nearby smart shoulder read favorite assembling flags
    banana kneading straw aeroplane tower sewing ducks cheetah storm push raft speeds races hosting computers
    interviewer thinking draw narrow onstage spray strips fries pick sprinkling spears until fires swings
    videogame secret kittens served soap presidential silly single backwards signs depicts platform thick wife
    cows related jokes wore structure helping york angles chain page martial dummy perfect alone chases
    environment attempts wolf lighting cold substance pull magazine pulled gravy broken hats hoop kruger
    reacting feeds blows frame description entertainment uniforms caribbean changes cart dramatic score
    touchdown pushed interesting scratching racket texting gentleman stretching pumpkin patrick wind found
    intense scenery install wire gather acts happily sang grocery repairing smashing united award trip feed
    whale steel eggplant
    """.split()
"""Words of four letters or more, the most frequent first."""
